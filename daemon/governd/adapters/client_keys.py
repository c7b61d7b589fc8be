"""Private keys in files, with which governd proves to authorization servers who asks.

Promises:
    * A key counts while its file has it, and is read again when the file is another one: an
      operator who replaces the file replaces the key, and who takes it away takes the key.
    * A file that others can read, or that others own, is refused.
    * No error says what is in a file.
"""

import asyncio
import os
import stat
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from governd.config import ClientKeyFile
from governd.errors import ConfigError, IdentityError, Problem
from governd.identity.secret import Secret
from governd.tokens.client_key import MAX_PEM_BYTES, ClientKey, read_client_key

_OTHERS = 0o077
_AT_ONCE = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""Whoever reads a pipe or a device would wait for who writes to it."""
_State: TypeAlias = tuple[int, ...]


class _Read(NamedTuple):
    """A key, and the state of its file when it was read."""

    state: _State
    key: ClientKey


class ClientKeyFiles:
    """Reads keys; implements ``governd.application.issuer_ports.ClientKeys``."""

    def __init__(self, files: Sequence[ClientKeyFile]) -> None:
        """Reads nothing yet."""
        self._files = {one.name: one for one in files}
        self._read: dict[str, _Read] = {}

    def load(self) -> None:
        """Reads all of them, at the start.

        Raises:
            ConfigError: One may not be used; with each that may not.
        """
        problems = []
        for name, stated in self._files.items():
            try:
                self._key(stated)
            except ValueError as error:
                problems.append(Problem(str(stated.file), 0, f'client key "{name}": {error}'))
        if problems:
            raise ConfigError(problems)

    async def key(self, name: str) -> ClientKey:
        """The key of that name, as its file has it now.

        Raises:
            IdentityError: There is none, or its file may not be used.
        """
        stated = self._files.get(name)
        if stated is None:
            message = f'client key "{name}": governd\'s configuration has none of that name'
            raise IdentityError(message)
        try:
            return await asyncio.to_thread(self._key, stated)
        except ValueError as error:
            message = f'client key "{name}": {stated.file}: {error}'
        raise IdentityError(message)

    def _key(self, stated: ClientKeyFile) -> ClientKey:
        """The key in a file, read only where that is not the one that was read before.

        Raises:
            ValueError: It has none that may be used.
        """
        known = self._read.pop(stated.name, None)
        try:
            with os.fdopen(os.open(stated.file, _AT_ONCE), "rb") as file:
                state = _state(os.fstat(file.fileno()))
                if known is None or known.state != state:
                    pem = Secret(file.read(MAX_PEM_BYTES + 1))
                    known = _Read(state, read_client_key(pem, stated.algorithm))
        except OSError as error:
            raise ValueError((error.strerror or "unknown error").lower()) from None
        self._read[stated.name] = known
        return known.key


def _state(found: os.stat_result) -> _State:
    """What is another one when the file is.

    Raises:
        ValueError: It is none that may have a key.
    """
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISREG(found.st_mode):
        message = "expected a regular file"
        raise ValueError(message)
    if mode & _OTHERS:
        message = f"has mode {mode:04o}: expected 0600 or 0400, for its owner alone"
        raise ValueError(message)
    if found.st_uid not in {0, os.geteuid()}:
        message = f"belongs to user {found.st_uid}: expected governd's own, or root"
        raise ValueError(message)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
