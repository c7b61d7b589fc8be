"""Every metric of the CSI plugin, as ``names`` has the others."""

from governd.observability.names import Kind, Metric

PUBLISHES = Metric(
    "governd_csi_publishes_total",
    Kind.COUNTER,
    "Volumes that kubelet asked for. It asks again for each live one when it was restarted, "
    "and every 60 to 90 s. Alert on `failed`: those pods do not start.",
    {
        "result": "`opened`; `again`: it was there; `repaired`: its socket had been removed; "
        "`refused`: it is not what may be asked for; `failed`: it cannot be made"
    },
)
UNPUBLISHES = Metric(
    "governd_csi_unpublishes_total",
    Kind.COUNTER,
    "Volumes that kubelet gave back. Alert on `refused` and `failed`: those pods stay "
    "`Terminating`.",
    {
        "result": "`removed`; `unknown`: governd knew of none there, and left none; "
        "`refused`: it is not what may be asked for; `failed`: it cannot be removed, or not yet"
    },
)
PUBLISH_DURATION = Metric(
    "governd_csi_publish_seconds",
    Kind.HISTOGRAM,
    "Time from kubelet's request to its answer, refusals among them.",
    buckets=(1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 0.1, 0.2, 0.5, 1.0, 5.0),
)
POD_SOCKETS = Metric(
    "governd_pod_sockets", Kind.GAUGE, "Sockets of pods: volumes that are published."
)

METRICS = (PUBLISHES, UNPUBLISHES, PUBLISH_DURATION, POD_SOCKETS)
