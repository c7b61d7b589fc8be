"""What the tables of a policy source's TOML files are made of."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from governd.errors import RequestError
from governd.identity import SpiffeId


class Table(BaseModel):
    """A table: an unknown key is a mistake, and nothing changes once it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _is_spiffe_id(text: str) -> str:
    try:
        SpiffeId.parse(text, field="value")
    except RequestError as error:
        raise ValueError(str(error)) from error
    return text


def _is_workload(text: str) -> str:
    if not SpiffeId.parse(text).path:
        message = "names a whole trust domain; being in it is not enough"
        raise ValueError(message)
    return text


SpiffeIdText = Annotated[str, AfterValidator(_is_spiffe_id)]
WorkloadText = Annotated[SpiffeIdText, AfterValidator(_is_workload)]
"""A SPIFFE ID, or a prefix of some, that is more than a trust domain."""
TrustDomain = Annotated[str, StringConstraints(pattern=r"^[a-z0-9._-]{1,255}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
"""What people call something."""
Label = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""What tables, commands and metrics call something."""


def refuse_twice(what: str, names: Iterable[str]) -> None:
    """Accepts names of which no two are alike.

    Raises:
        ValueError: Two are; ``what`` says of what.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            message = f"{what}: {name} is stated twice"
            raise ValueError(message)
        seen.add(name)
