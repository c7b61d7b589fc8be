"""Makes the vectors: ``python -m tests.conformance.vectors.acting_as.make``.

Keys are thrown away: each run makes all tokens anew, with other signatures and the same
meaning. What is committed was made once; a test holds it to the verifier.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.conformance.vectors.acting_as.make import chains, extensions, requests, signers, tokens
from tests.conformance.vectors.acting_as.make.extensions import Extension
from tests.conformance.vectors.acting_as.make.scene import Case, Scene

FOLDER = Path(__file__).parents[1]
GROUPS: Mapping[str, tuple[str, Callable[[Scene], Iterator[Case | Extension]]]] = {
    "tokens": ("A token's form, header, kind and claims.", tokens.cases),
    "signers": ("Who signed a token, whether they may, and when.", signers.cases),
    "requests": ("Whom and what request a token is for, and how it travels.", requests.cases),
    "extensions": ("What may be extended, and how far.", extensions.cases),
    "chains": ("Who acts for whom, and what is revoked.", chains.cases),
}


def main() -> None:
    """Writes every file."""
    scene = Scene()
    for name, (description, cases) in GROUPS.items():
        suite = {
            "description": description,
            "bundles": scene.bundles,
            "vectors": [case.record() for case in cases(scene)],
        }
        text = json.dumps(suite, indent=1) + "\n"
        (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
