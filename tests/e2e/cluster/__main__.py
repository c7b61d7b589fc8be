"""The cluster by hand: ``build`` what it takes, or have it ``up`` until Ctrl-C.

python -m tests.e2e.cluster build
python -m tests.e2e.cluster up 2
"""

import signal
import sys
import tempfile
import time
from pathlib import Path

from tests import parts
from tests.e2e.cluster import programs
from tests.e2e.cluster.cluster import running
from tests.e2e.cluster.images import images
from tests.e2e.cluster.install import install

_NODES = 2


def main() -> None:
    """Builds, and with ``up`` runs a cluster, too."""
    verb, *rest = sys.argv[1:] or ["build"]
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:4.0f} s  {text}", file=sys.stderr, flush=True)  # noqa: T201

    programs.install()
    say("SPIRE: about seven minutes of two cores, unless it is in the cache")
    parts.spire()
    say("Kubernetes: about eight, likewise")
    programs.kubernetes()
    say("images")
    archive = images()
    say(f"{archive} has {archive.stat().st_size >> 20} MiB")
    if verb == "up":
        with running(int(rest[0]) if rest else _NODES, archive, say) as cluster:
            with tempfile.TemporaryDirectory() as scratch:
                install(cluster, Path(scratch))
            say("SPIRE is ready; governd and the agents are about to be")
            say(f"export KUBECONFIG={cluster.admin_config}; Ctrl-C ends it")
            signal.pause()


if __name__ == "__main__":
    main()
