"""Services that are reserved for governd: no agent gets a token for them.

They are in the group ``reserved``, which the base policy forbids as audiences of JWT-SVIDs.
A policy source may put further services into it.
"""

from collections.abc import Mapping
from typing import Any

RESERVED_GROUP = "reserved"
_SPIFFE = "spiffe://"
_GOVERND = "governd"


def is_reserved(service: str) -> bool:
    """Whether a service is a governd, of whichever trust domain: its SPIFFE ID as an audience.

    Args:
        service: The id of an external service, in its one spelling.
    """
    if not service.startswith(_SPIFFE):
        return False
    _domain, _, path = service.removeprefix(_SPIFFE).partition("/")
    return path.partition("/")[0] == _GOVERND


def reserve(record: Mapping[str, Any]) -> dict[str, Any]:
    """An entity's record with the group of the reserved among its parents."""
    group = {"type": "Group", "id": RESERVED_GROUP}
    return {**record, "parents": [*record["parents"], group]}
