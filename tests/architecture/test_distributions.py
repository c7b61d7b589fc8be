"""No file belongs to two installed distributions.

Where two do, the one installed last wins without a word: xds-protos and
opentelemetry-proto are such a pair.
"""

import collections
from importlib import metadata
from pathlib import PurePosixPath

SHARED = {"__pycache__"}


def test_no_file_is_owned_by_two_installed_distributions() -> None:
    owners: dict[str, set[str]] = collections.defaultdict(set)
    for distribution in metadata.distributions():
        for file in distribution.files or ():
            path = PurePosixPath(file)
            if SHARED.isdisjoint(path.parts):
                owners[str(path)].add(distribution.metadata["Name"])
    assert len(owners) > 100, "the installed files are not recorded"
    assert not {path: names for path, names in owners.items() if len(names) > 1}


def test_both_distributions_are_of_one_version() -> None:
    """They carry the same protos, and may be in one process only with the same ones."""
    assert metadata.version("governd") == metadata.version("governd-client")
