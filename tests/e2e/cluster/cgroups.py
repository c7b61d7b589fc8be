"""The cgroups of nodes: all that a node has outside of its own namespaces and its folder.

Version 1, one hierarchy for each controller: kubelet makes those of pods below a node's.
"""

import contextlib
from functools import partial
from pathlib import Path

from tests.e2e.cluster.process import wait_until

_ROOT = Path("/sys/fs/cgroup")
_PATIENCE_SECONDS = 10.0


def parent(node: str) -> str:
    """The cgroup below which all pods of a node are, in each hierarchy."""
    return f"governd-{node}"


def make(node: str) -> None:
    """Makes a node's cgroups; they may be there already."""
    for hierarchy in _ROOT.iterdir():
        if hierarchy.is_dir() and not hierarchy.is_symlink():
            (hierarchy / parent(node)).mkdir(exist_ok=True)
    for name in ("cpuset.cpus", "cpuset.mems"):
        all_of_it = (_ROOT / "cpuset" / name).read_text()
        (_ROOT / "cpuset" / parent(node) / name).write_text(all_of_it)


def remove(node: str) -> None:
    """Removes the cgroups of a node that has ended, as soon as its last process is gone."""
    for root in _ROOT.glob(f"*/{parent(node)}"):
        below = sorted(root.rglob("*/"), key=lambda found: len(found.parts))
        for path in reversed([root, *below]):
            with contextlib.suppress(TimeoutError):  # the machine works as well with it
                wait_until(partial(_is_removed, path), f"the end of {path}", _PATIENCE_SECONDS)


def _is_removed(cgroup: Path) -> bool:
    try:
        cgroup.rmdir()
    except OSError:
        return not cgroup.exists()
    return True
