"""The name of the node, as a segment of a SPIFFE ID's path."""

import re
import socket

_NOT_IN_A_SEGMENT = re.compile(r"[^A-Za-z0-9._-]")


def node_name(configured: str = "") -> str:
    """The name that was configured; without one, the host's.

    Args:
        configured: ``identity.node`` of the configuration.
    """
    # A host's name may hold what a path segment of a SPIFFE ID may not, or be one like "..".
    return configured or _NOT_IN_A_SEGMENT.sub("-", socket.gethostname()).strip(".") or "node"
