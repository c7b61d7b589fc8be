"""A mistake in a TOML file is found where it stands, as near as can be."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governd.policy.toml_lines import Path, line_of_path

TEXT = """\
name = "x"
[revoked]
users = []
[[issuer]]
name = "a"
[[issuer.key]]
kid = "1"
[[issuer.key]]
kid = "2"
[[issuer]]
  name = "b"
 [[ issuer . "key" ]]
'kid' = "3"
[kya.limits]
most = { of = 1 }
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("name",), 1),
        (("revoked", "users"), 3),
        (("revoked", "users", 0), 3),
        (("revoked", "subjects"), 2),
        (("issuer", 0, "name"), 5),
        (("issuer", 0, "key", 0, "kid"), 7),
        (("issuer", 0, "key", 1, "kid"), 9),
        (("issuer", 0, "key", 1, "alg"), 8),
        (("issuer", 1, "name"), 11),
        (("issuer", 1, "key", 0, "kid"), 13),
        (("issuer", 1, "jwks_uri"), 10),
        (("issuer",), 4),
        (("kya", "limits", "most", "of"), 15),
        (("kya",), 14),
        (("format",), 0),
        ((), 0),
    ],
)
def test_the_nearest_line_is_found(path: Path, line: int) -> None:
    assert tomllib.loads(TEXT)
    assert line_of_path(TEXT, path) == line


@given(st.text(st.sampled_from('[]"=.a# \n'), max_size=60))
def test_any_text_has_a_line_or_none(text: str) -> None:
    assert 0 <= line_of_path(text, ("a", 0, "a")) <= text.count("\n") + 1
