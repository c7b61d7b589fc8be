"""A workload on a socket of governd's: the SPIFFE Workload API, as a stock library asks."""

from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from governd.identity import SpiffeId, x509_material
from governd.identity.svid import X509Svid
from governd.services.workload_api import INTENT
from governd.services.workload_stubs import SERVICE, messages


def fetch(channel: grpc.Channel | grpc.aio.Channel) -> Any:  # noqa: ANN401 - either kind of call
    """The workload's X.509-SVIDs, and again whenever they change.

    Returns:
        The stream; to be read as the channel is, in a thread or in tasks.
    """
    begin = channel.unary_stream(
        f"/{SERVICE}/FetchX509SVID",
        messages.X509SVIDRequest.SerializeToString,
        messages.X509SVIDResponse.FromString,
    )
    return begin(messages.X509SVIDRequest(), metadata=(INTENT,))


def identity(socket: Path) -> tuple[X509Svid, tuple[bytes, ...]]:
    """The workload's X.509-SVID, and the authorities of its trust domain."""
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        told = next(fetch(channel)).svids[0]
    chain = x509_material.authorities(told.x509_svid)
    found = SpiffeId.parse(told.spiffe_id)
    svid = x509_material.x509_svid(found, chain, told.x509_svid_key)
    return svid, x509_material.authorities(told.bundle)
