"""Kinds of settings that TOML has no type for, each with its own parser."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo

from governd.errors import RequestError
from governd.identity import SpiffeId

_OCTAL = re.compile(r"0?[0-7]{3}", re.ASCII)
_READ_WRITE = 0o666
_OWNER_READ_WRITE = 0o600


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


def _spiffe_id(value: object) -> SpiffeId:
    if isinstance(value, SpiffeId):
        return value
    if not isinstance(value, str):
        message = "expected a SPIFFE ID in quotes"
        raise ValueError(message)  # noqa: TRY004 — pydantic collects ValueError only
    try:
        identity = SpiffeId.parse(value)
    except RequestError as error:
        raise ValueError(str(error).removeprefix("spiffe_id: ")) from error
    if not identity.path:
        message = "expected the SPIFFE ID of a workload, with a path"
        raise ValueError(message)
    return identity


AbsolutePath = Annotated[Path, BeforeValidator(_absolute_path)]
"""A path; see ``_absolute_path`` for relative ones."""

SocketMode = Annotated[int, BeforeValidator(_socket_mode)]
"""Permissions of a socket: octal digits in quotes, kept as a number."""

WorkloadId = Annotated[SpiffeId, BeforeValidator(_spiffe_id)]
"""A SPIFFE ID that has a path."""
