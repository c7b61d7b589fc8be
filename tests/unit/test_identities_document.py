"""``docs/identities.md`` says what is so."""

import re
from pathlib import Path

from governd.config import AttestedListener, Identity, parse

DOCUMENT = Path(__file__).parents[2] / "docs" / "identities.md"
DAEMON = Path(__file__).parents[2] / "daemon" / "governd"


def text() -> str:
    return DOCUMENT.read_text(encoding="utf-8")


def test_the_settings_are_a_configuration_and_the_selectors_its_defaults() -> None:
    (block,) = re.findall(r"```toml\n(.+?)```", text(), re.DOTALL)
    whole = f'production = true\ntrust_domain = "example.org"\n{block}'
    found = parse(whole, file="identities.md", base=Path("/"), environ={}).identity
    assert found.source == "spire"
    defaults = Identity()
    assert found.serving_selectors == defaults.serving_selectors
    assert found.signing_selectors == defaults.signing_selectors


def test_every_setting_is_told() -> None:
    (block,) = re.findall(r"```toml\n(.+?)```", text(), re.DOTALL)
    identity, _, listener = block.partition("[[listener]]")
    assert set(re.findall(r"^(\w+) =", identity, re.MULTILINE)) == set(Identity.model_fields)
    found = set(re.findall(r"^(\w+) =", listener, re.MULTILINE))
    assert found == set(AttestedListener.model_fields)


def test_every_reason_that_is_told_is_one_that_governd_gives() -> None:
    """As far as it is fixed: between the dots stands what differs."""
    source = "".join(path.read_text(encoding="utf-8") for path in DAEMON.rglob("*.py"))
    rows = re.findall(r"^\| `(?:waiting|ready)` \| `(.+?)` \|", text(), re.MULTILINE)
    assert len(rows) >= 6
    for reason in rows:
        for part in filter(None, re.split(r"\.\.\.|spire$|; ", reason)):
            assert part.strip(": ") in source, part
