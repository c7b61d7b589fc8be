"""What kubelet may use: enough for every volume at once, whatever callers are limited to.

Kubelet makes a connection for each call, and asks for all volumes of a node when it starts. A
limit of an operator's, meant for agents, must never keep a pod from starting or ending.
"""

import math
from dataclasses import dataclass

KUBELET_MESSAGE_BYTES = 65_536
"""The largest message of kubelet's; a publish has less than 2 KiB."""
_QUESTIONS = 64


@dataclass(frozen=True, slots=True)
class KubeletLimits:
    """The limits of kubelet's two listeners, of channels and of their one caller.

    Attributes:
        volumes: The most volumes of this node.
        message_bytes: The largest message.
        metadata_bytes: The largest metadata of a call.
        streams: There are none in CSI.
        calls_per_second: As many as kubelet likes.
        burst: Likewise.
    """

    volumes: int
    message_bytes: int = KUBELET_MESSAGE_BYTES
    metadata_bytes: int = 16_384
    streams: int = 1
    calls_per_second: float = math.inf
    burst: int = 1_000_000

    @property
    def connections(self) -> int:
        """One for each volume, and some for questions about the plugin."""
        return self.volumes + _QUESTIONS

    @property
    def calls_in_flight(self) -> int:
        """One on each connection."""
        return self.connections

    @property
    def streams_per_connection(self) -> int:
        """All calls may come on one."""
        return self.connections
