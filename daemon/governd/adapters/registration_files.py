"""What was registered, one file each, in a directory: MCP servers' tools, and agents.

A file is written under another name, synced, and renamed: it is there as a whole or not at
all, whenever the machine stops. What cannot be read back is never passed over, because
whatever it pinned would count as new then. For the same reason an index names all files:
one that is gone is noticed.

Promises:
    * Only what belongs to this user, and what nobody else can write, is read. What is
      written is for this user alone.
    * A file has the name that belongs to what is in it: none stands in for another's.
    * The index names a file only while that is there, so that no crash, at whatever moment,
      looks like a loss. What it does not name, the next start adds.
"""

import asyncio
import contextlib
import functools
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from governd.adapters import whole_files
from governd.errors import RegistrationsError
from governd.kya.agent_text import read_agent, write_agent
from governd.kya.kept_agent import KeptAgent
from governd.policy.registration import Registration, read_registration, write_registration

INDEX = "index"
_SUFFIX = ".json"
_LISTED = re.compile(r"[0-9a-f]{64}\.json")
_FOLDER_MODE = 0o700
_HELP = (
    f"restore it, or remove it and its line in {INDEX!r} beside it: what it pinned is then "
    "accepted anew as it is registered"
)
_INDEX_HELP = "restore it, or remove it: it is made anew of the files that are there"

_Kept = TypeVar("_Kept")


class Text(NamedTuple, Generic[_Kept]):
    """How something is kept.

    Attributes:
        key: What no two of them have in common, as text.
        write: As the content of a file.
        read: The same back; raises ``ValueError`` for anything else.
    """

    key: Callable[[_Kept], str]
    write: Callable[[_Kept], bytes]
    read: Callable[[bytes], _Kept]


REGISTRATIONS: Text[Registration] = Text(
    lambda one: f"{one.spiffe_id}\n{one.server}", write_registration, read_registration
)
"""What MCP servers registered."""
AGENTS: Text[KeptAgent] = Text(lambda one: str(one.spiffe_id), write_agent, read_agent)
"""What agents presented."""


class PreparedFile:
    """Something in a file that has not its name yet."""

    def __init__(self, commit: Callable[[], None], abandon: Callable[[], None]) -> None:
        """Takes what gives it its name, and what removes it."""
        self._commit = commit
        self._abandon = abandon

    async def commit(self) -> None:
        """Keeps it in place of the one before.

        Raises:
            RegistrationsError: It is not certain to outlive a restart.
        """
        await asyncio.to_thread(self._commit)

    async def abandon(self) -> None:
        """Removes it; what stays all the same is removed at the next start."""
        with contextlib.suppress(RegistrationsError):
            await asyncio.to_thread(self._abandon)


class RegistrationFiles(Generic[_Kept]):
    """The store ports of registrations over files. One at a time may use a directory."""

    def __init__(self, directory: Path, text: Text[_Kept]) -> None:
        """Takes the directory, made when the first file is written, and how it is kept."""
        self._directory = directory
        self._text = text

    def load(self) -> list[_Kept]:
        """All that is kept; what a crash left half-written is removed.

        Raises:
            RegistrationsError: The directory or a file cannot be read, is not what was
                written, could have been written by others, or is gone.
        """
        if not os.path.lexists(self._directory):
            return []
        try:
            with self._opened() as folder:
                return self._load(folder)
        except OSError as error:
            raise _failure(self._directory, error) from error

    async def prepare(self, registration: _Kept) -> PreparedFile:
        """Writes a registration beside the one before.

        Raises:
            RegistrationsError: It cannot be written.
        """
        name, content = self._name(registration), self._text.write(registration)
        await asyncio.to_thread(self._prepare, name, content)
        commit = functools.partial(self._commit, name)
        return PreparedFile(commit, functools.partial(self._abandon, name))

    async def remove(self, registration: _Kept) -> None:
        """Removes a registration.

        Raises:
            RegistrationsError: It may be there again after a restart.
        """
        await asyncio.to_thread(self._remove, self._name(registration))

    def _load(self, folder: int) -> list[_Kept]:
        found = sorted(os.listdir(folder))
        for name in found:
            if name.endswith(whole_files.UNFINISHED):
                whole_files.remove(folder, name)
        kept, listed = [name for name in found if name.endswith(_SUFFIX)], self._listed(folder)
        for name in sorted(listed.difference(kept)):
            raise _failure(self._directory / name, ValueError("is gone"))
        registrations = [self._read(folder, name) for name in kept]
        if listed != set(kept):
            # A full disk is no reason not to start: there is another time for this.
            with contextlib.suppress(OSError):
                whole_files.replace(folder, INDEX, _index(kept))
        return registrations

    def _read(self, folder: int, name: str) -> _Kept:
        path = self._directory / name
        try:
            registration = self._text.read(whole_files.read(folder, name))
        except (OSError, ValueError) as error:
            raise _failure(path, error) from error
        if name != self._name(registration):
            raise _failure(path, ValueError("has another registration's name"))
        return registration

    def _name(self, registration: _Kept) -> str:
        """A name of fixed length that no other registration has."""
        return hashlib.sha256(self._text.key(registration).encode()).hexdigest() + _SUFFIX

    def _listed(self, folder: int) -> set[str]:
        """The files that the index names; none where there is no index yet."""
        try:
            names = whole_files.read(folder, INDEX).decode().splitlines()
        except FileNotFoundError:
            return set()
        except (OSError, ValueError) as error:
            raise _failure(self._directory / INDEX, error, _INDEX_HELP) from error
        for name in names:
            if not _LISTED.fullmatch(name):
                wrong = ValueError("has a line that is no file's name")
                raise _failure(self._directory / INDEX, wrong, _INDEX_HELP)
        return set(names)

    def _prepare(self, name: str, content: bytes) -> None:
        with self._writing():
            self._make()
            with self._opened() as folder:
                whole_files.write(folder, name + whole_files.UNFINISHED, content)

    def _commit(self, name: str) -> None:
        with self._writing(), self._opened() as folder:
            whole_files.finish(folder, name)
            listed = self._listed(folder)
            if name not in listed:
                whole_files.replace(folder, INDEX, _index({*listed, name}))

    def _abandon(self, name: str) -> None:
        with self._writing(), self._opened() as folder:
            whole_files.remove(folder, name + whole_files.UNFINISHED)

    def _remove(self, name: str) -> None:
        with self._writing(), self._opened() as folder:
            whole_files.replace(folder, INDEX, _index(self._listed(folder) - {name}))
            whole_files.remove(folder, name)
            os.fsync(folder)

    def _make(self) -> None:
        try:
            self._directory.mkdir(mode=_FOLDER_MODE)
        except FileExistsError:
            return
        above = os.open(self._directory.parent, whole_files.FOLDER)
        try:
            os.fsync(above)
        finally:
            os.close(above)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        folder = os.open(self._directory, whole_files.FOLDER)
        try:
            whole_files.check(os.fstat(folder), stat.S_ISDIR)
            yield folder
        finally:
            os.close(folder)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            message = f"{self._directory}: cannot be written: {error.strerror or error}"
            raise RegistrationsError(message) from error


def _failure(path: Path, error: OSError | ValueError, help_: str = _HELP) -> RegistrationsError:
    said = error.strerror if isinstance(error, OSError) else error
    return RegistrationsError(f"{path}: {said or 'unknown error'}; {help_}")


def _index(names: Iterable[str]) -> bytes:
    return "".join(f"{name}\n" for name in sorted(names)).encode()
