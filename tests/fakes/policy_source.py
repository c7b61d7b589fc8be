"""A policy source in a dictionary.

Implements ``governd.policy.ports.PolicySourcePort``. A test changes ``files`` and calls
``touch``, or sets ``away`` and the source is gone.
"""

from collections.abc import Mapping

from governd.errors import PolicyError, Problem


class FakePolicySource:
    """Files by path, and how often they were read.

    Attributes:
        files: Content by path; ``put`` and ``remove`` change them.
        away: Whether the source cannot be had.
        reads: How often it was read.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        """Begins with these files."""
        self.files = dict(files)
        self.away = False
        self.reads = 0
        self._version = 0

    def put(self, path: str, content: bytes) -> None:
        """Writes a file."""
        self.files[path] = content
        self._version += 1

    def remove(self, path: str) -> None:
        """Removes a file."""
        del self.files[path]
        self._version += 1

    def signature(self) -> int:
        """Changes with every change.

        Raises:
            PolicyError: The source is away.
        """
        if self.away:
            raise PolicyError([Problem("policy", 0, "is away")])
        return self._version

    def read(self) -> tuple[int, Mapping[str, bytes]]:
        """The signature and the files.

        Raises:
            PolicyError: The source is away.
        """
        signature = self.signature()
        self.reads += 1
        return signature, dict(self.files)
