"""IDs that are governd's own: ``/governd`` and all below it, in whichever trust domain.

Whoever holds the key of one speaks for a node. So they are for governd and for nobody else,
whatever an entry of SPIRE's or a selector of the configuration says.
"""

from collections.abc import Iterable

from governd.errors import InvalidIdentityError
from governd.identity.spiffe_id import SpiffeId
from governd.identity.svid import Workload

OWN = "governd"
"""The first segment of their paths."""


def is_own(spiffe_id: SpiffeId) -> bool:
    """Whether an ID is one of governd's own."""
    return spiffe_id.path == f"/{OWN}" or spiffe_id.path.startswith(f"/{OWN}/")


def check_issued(workload: Workload, issued: Iterable[SpiffeId]) -> None:
    """Refuses to hand one of governd's own IDs to a workload that is not governd.

    Args:
        workload: To whom they are issued.
        issued: Every ID that is.

    Raises:
        InvalidIdentityError: One is governd's own.
    """
    found = [] if workload.own else sorted(one for one in issued if is_own(one))
    if found:
        message = (
            f"{found[0]} is governd's own and issued to another workload: "
            "its registration entry must fit nobody but governd"
        )
        raise InvalidIdentityError(message)
