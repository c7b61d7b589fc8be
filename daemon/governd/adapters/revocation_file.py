"""What is revoked on this node, in one file of the state directory.

Promises:
    * The file is there as a whole or not at all, and only what this user alone can write is
      read (``whole_files``).
    * What is in it is held to every rule again (``delegation.revocation_text``).
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from governd.adapters import whole_files
from governd.application.revocations import RevocationsError
from governd.delegation.revocation_list import RevocationList
from governd.delegation.revocation_text import MAX_BYTES, read_revocations, write_revocations

NAME = "revocations.json"
_HELP = "restore it, or remove it: what was revoked with it counts again then"


class RevocationFile:
    """The revocation store port over a file. One at a time may use a directory."""

    def __init__(self, directory: Path) -> None:
        """Takes the directory, which exists when anything is kept."""
        self._directory = directory

    def load(self) -> RevocationList:
        """What was kept last; nothing where nothing ever was.

        Raises:
            RevocationsError: The file cannot be read, is not what was written, or could
                have been written by others.
        """
        try:
            with self._opened() as folder:
                return read_revocations(whole_files.read(folder, NAME, MAX_BYTES))
        except FileNotFoundError:
            return RevocationList()
        except (OSError, ValueError) as error:
            raise self._failure(error, f"; {_HELP}") from error

    async def save(self, revoked: RevocationList) -> None:
        """Keeps this and nothing else.

        Raises:
            RevocationsError: It is not certain to outlive a restart.
        """
        content = write_revocations(revoked)
        try:
            await asyncio.to_thread(self._replace, content)
        except OSError as error:
            raise self._failure(error) from error

    def _replace(self, content: bytes) -> None:
        with self._opened() as folder:
            whole_files.replace(folder, NAME, content)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        folder = os.open(self._directory, whole_files.FOLDER)
        try:
            yield folder
        finally:
            os.close(folder)

    def _failure(self, error: OSError | ValueError, hint: str = "") -> RevocationsError:
        said = error.strerror if isinstance(error, OSError) else error
        text = f"in {self._directory / NAME}: {said or 'unknown error'}{hint}"
        return RevocationsError(text, retry_after=5.0)
