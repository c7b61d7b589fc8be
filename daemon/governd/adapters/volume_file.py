"""The volumes that are published, in one file of the state directory.

Promises:
    * The file is there as a whole or not at all, and only what this user alone can write is
      read (``whole_files``).
    * What is in it is held to every rule again (``pods.volume``).
"""

import asyncio
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from governd.adapters import whole_files
from governd.errors import VolumeError
from governd.pods.volume import MAX_BYTES, Volume, read_volumes, write_volumes

NAME = "volumes.json"


class VolumeFile:
    """The volume store port over a file. One at a time may use a directory."""

    def __init__(self, directory: Path) -> None:
        """Takes the directory, which exists when anything is kept."""
        self._directory = directory

    def load(self) -> tuple[Volume, ...]:
        """All that are kept; none where nothing was ever kept.

        Raises:
            VolumeError: The file cannot be read, is not what was written, or could have been
                written by others.
        """
        try:
            with self._opened() as folder:
                return read_volumes(whole_files.read(folder, NAME, MAX_BYTES))
        except FileNotFoundError:
            return ()
        except (OSError, ValueError) as error:
            raise self._failure(error) from error

    async def save(self, volumes: Collection[Volume]) -> None:
        """Keeps these and no others.

        Raises:
            VolumeError: They are not certain to outlive a restart.
        """
        content = write_volumes(volumes)
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

    def _failure(self, error: OSError | ValueError) -> VolumeError:
        said = error.strerror if isinstance(error, OSError) else error
        return VolumeError(f"{self._directory / NAME}: {said or 'unknown error'}")
