"""What sections are made of: kinds of settings that TOML has no type for, with their parsers."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationInfo

from governd.errors import RequestError
from governd.identity import SpiffeId

_OCTAL = re.compile(r"0?[0-7]{3}", re.ASCII)
_READ_WRITE = 0o666
_OWNER_READ_WRITE = 0o600
_ADDRESS = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9.-]+)):(?P<port>[0-9]{1,5})", re.ASCII
)
_MAX_PORT = 65535


class Section(BaseModel):
    """A table of settings: frozen, takes no unknown key and coerces nothing."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        arbitrary_types_allowed=True,  # SpiffeId has its own parser
    )


def host_and_port(address: str) -> tuple[str, int] | None:
    """The parts of ``host:port``, an IPv6 host in brackets; ``None`` if it is not that."""
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match["port"]) > _MAX_PORT:
        return None
    return match["six"] or match["host"], int(match["port"])


def _absolute_path(value: object, info: ValidationInfo) -> object:
    """Makes a path of a text, relative to the directory of the file that it stands in.

    The context's ``base`` is that directory. Without one, as in the environment, only
    an absolute path is taken.
    """
    if not isinstance(value, str | Path):
        message = "expected a path in quotes"
        raise ValueError(message)  # noqa: TRY004 — pydantic collects ValueError only
    if isinstance(value, str) and isinstance(info.context, Mapping):
        value = info.context["base"] / value if value else Path()
    path = Path(value)
    if not path.is_absolute() or "\0" in str(path):
        message = "expected an absolute path"
        raise ValueError(message)
    return path


def _socket_mode(value: object) -> int:
    if isinstance(value, str) and _OCTAL.fullmatch(value):
        mode = int(value, 8)
        if mode & ~_READ_WRITE == 0 and mode & _OWNER_READ_WRITE == _OWNER_READ_WRITE:
            return mode
    message = 'expected octal digits in quotes such as "0660": read and write only, the owner both'
    raise ValueError(message)


def _parsed(text: str) -> SpiffeId:
    try:
        return SpiffeId.parse(text)
    except RequestError as error:
        raise ValueError(str(error).removeprefix("spiffe_id: ")) from error


def _spiffe_id(value: object) -> SpiffeId:
    if isinstance(value, SpiffeId):
        return value
    if not isinstance(value, str):
        message = "expected a SPIFFE ID in quotes"
        raise ValueError(message)  # noqa: TRY004 — pydantic collects ValueError only
    return _parsed(value)


def _workload_id(identity: SpiffeId) -> SpiffeId:
    if not identity.path:
        message = "expected the SPIFFE ID of a workload, with a path"
        raise ValueError(message)
    return identity


def _trust_domain(name: str) -> str:
    if _parsed(f"spiffe://{name}").path:
        message = "expected a trust domain without a path"
        raise ValueError(message)
    return name


def _address(text: str) -> str:
    if host_and_port(text) is None:
        message = 'expected "host:port"'
        raise ValueError(message)
    return text


AbsolutePath = Annotated[Path, BeforeValidator(_absolute_path)]
"""A path; see ``_absolute_path`` for relative ones."""

SocketMode = Annotated[int, BeforeValidator(_socket_mode)]
"""Permissions of a socket: octal digits in quotes, kept as a number."""

AnyId = Annotated[SpiffeId, BeforeValidator(_spiffe_id)]
"""A SPIFFE ID, also that of a trust domain itself."""

WorkloadId = Annotated[AnyId, AfterValidator(_workload_id)]
"""A SPIFFE ID that has a path."""

TrustDomain = Annotated[str, AfterValidator(_trust_domain)]
"""The name of a trust domain."""

Address = Annotated[str, AfterValidator(_address)]
"""``host:port``."""
