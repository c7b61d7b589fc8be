"""Doors for workloads that come and go: who vouches for a workload opens one for it.

Whoever reaches a door is its workload. Who that is, is what the source of identities says:
a door opens at once and lets nobody do anything but wait until there is an identity.
"""

from typing import Protocol, TypeVar

from governd.identity.svid import Workload

Place_contra = TypeVar("Place_contra", contravariant=True)
"""Where a door is, in the terms of whoever makes doors. Its text tells it from others."""


class WorkloadDoors(Protocol[Place_contra]):
    """Opens and closes doors, each known by the name of its workload.

    Calls for one name take their turns; those for different names do not wait for each other.
    """

    async def open(self, workload: Workload, place: Place_contra) -> None:
        """Holds the workload's identities, and answers at ``place`` when this returns.

        A door that is open for the same workload at the same place (one with the same text)
        stays as it is, with its calls. Nothing is left of a door that could not be opened.

        Args:
            workload: Who will call there. Its name, of 1 to 512 printable characters, is the
                door's; no configured listener and no other door has it.
            place: Where.

        Raises:
            ListenerError: The place cannot be had safely, or the name belongs to another
                workload, another place, or a configured listener.
            RequestError: A fact of the workload cannot be part of the SPIFFE ID that the path
                template would make of it.
            DrainingError: governd is shutting down.
        """

    async def close(self, name: str) -> None:
        """Ends the door's calls at once, takes it away and forgets its workload.

        Those who call hear ``PERMISSION_DENIED`` (``IDENTITY_NOT_ISSUED``: the workload is
        gone). Returns when nothing is left: the socket is gone from its place, the identities
        from memory. Closing what is not open does nothing.
        """
