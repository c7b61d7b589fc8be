"""Settings of what issues identities."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from governd.config import Identity, parse
from governd.errors import ConfigError

MINIMAL = 'trust_domain = "example.org"\n'
SPIRE = '[identity]\nsource = "spire"\nspire_admin_socket = "/run/spire/admin.sock"\n'
NOTHING: Mapping[str, str] = {}


def read(text: str, environ: Mapping[str, str] = NOTHING) -> Identity:
    base = Path("/etc/governd")
    return parse(MINIMAL + text, file="governd.toml", base=base, environ=environ).identity


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        parse(text, file="governd.toml", base=Path("/etc/governd"), environ={})
    return [str(problem) for problem in refusal.value.problems]


def words(identity: Identity) -> list[str]:
    return [str(one) for one in (*identity.serving_selectors, *identity.signing_selectors)]


def test_without_a_word_governd_is_its_own_authority_for_development() -> None:
    identity = read("")
    assert (identity.source, identity.spire_admin_socket, identity.node) == ("embedded", None, "")


def test_spire_is_named_with_its_socket() -> None:
    identity = read(SPIRE + 'node = "ip-10-0-0-1.ec2.internal"\n')
    assert (identity.source, str(identity.spire_admin_socket)) == ("spire", "/run/spire/admin.sock")
    assert identity.node == "ip-10-0-0-1.ec2.internal"


def test_selectors_are_of_a_type_that_no_process_has_unless_told_otherwise() -> None:
    assert words(read(SPIRE)) == ["governd:identity:server", "governd:identity:signer"]
    text = f'{SPIRE}serving_selectors = ["k8s:ns:governd", "k8s:sa:governd"]\n'
    assert words(read(text))[:2] == ["k8s:ns:governd", "k8s:sa:governd"]


def test_the_environment_names_the_node() -> None:
    environ = {
        "GOVERND_IDENTITY__NODE": "node-1",
        "GOVERND_IDENTITY__SIGNING_SELECTORS": '["a:b:c"]',
    }
    identity = read(SPIRE, environ)
    assert (identity.node, words(identity)[1:]) == ("node-1", ["a:b:c"])


@pytest.mark.parametrize("section", ["", '[identity]\nsource = "embedded"\n'])
def test_production_refuses_an_authority_in_memory(section: str) -> None:
    (line,) = mistakes(f"production = true\n{MINIMAL}{section}")
    assert line.endswith('identity.source: expected "spire", because production is true')


def test_production_refuses_nothing_that_is_no_section() -> None:
    (line,) = mistakes(f"production = true\n{MINIMAL}identity = 1\n")
    assert "expected a table" in line


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ('source = "spire"', 'spire_admin_socket: expected a path, because source is "spire"'),
        (
            'spire_admin_socket = "/run/a.sock"',
            'spire_admin_socket: expected none, because source is "embedded"',
        ),
        ('source = "vault"', "source: expected 'embedded' or 'spire', got 'vault'"),
        ("serving_selectors = []", "serving_selectors: expected at least one selector"),
        ('serving_selectors = ["k8s"]', 'serving_selectors[0]: expected "type:value" of at most'),
        ("signing_selectors = [1]", 'signing_selectors[0]: expected "type:value" in quotes'),
        (
            'serving_selectors = ["a:b", "c:d"]\nsigning_selectors = ["c:d", "a:b"]',
            "signing_selectors: expected others than serving_selectors",
        ),
        ('node = "a/b"', "node: expected"),
        ('node = ".."', "node: expected"),
    ],
)
def test_a_mistake_is_told_with_what_was_expected(section: str, said: str) -> None:
    (line,) = mistakes(f"{MINIMAL}[identity]\n{section}\n")
    assert line.startswith("governd.toml:")
    assert f" identity.{said}" in line


def test_selectors_that_were_read_are_taken_as_they_are() -> None:
    read_before = read(SPIRE)
    again = Identity(serving_selectors=read_before.serving_selectors)
    assert again.serving_selectors == read_before.serving_selectors
