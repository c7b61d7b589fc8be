"""A delegation on the command line says what a policy test says, or is refused."""

from pathlib import Path

import click
import pytest

from governd._proto.governd.v1 import admin_service_pb2
from governd.cli import delegation
from tests.policies import ALICE


def stated(text: str | None, level: int | None = None) -> admin_service_pb2.ExplainRequest:
    request = admin_service_pb2.ExplainRequest()
    delegation.state(request, text, level)
    return request


def test_what_is_not_stated_is_not_there() -> None:
    assert not stated(None).HasField("delegation")
    assert not stated(None).HasField("kya_level")
    assert stated(None, 0).HasField("kya_level")
    assert stated(None, 2).kya_level == 2


def test_a_delegation_is_read_as_json(tmp_path: Path) -> None:
    text = (
        f'{{"user": "{ALICE}", "scopes": ["a"], "kya_level": 1, "expires": "2026-01-01T12:00:00Z",'
        ' "details": [{"actions": ["call"], "locations": ["x"], "tools": ["y"]}]}'
    )
    file = tmp_path / "alice.json"
    file.write_text(text)
    found = stated(text).delegation
    assert stated(f"@{file}").delegation == found
    assert (found.user, found.kya_level, found.expires.seconds) == (ALICE, 1, 1767268800)
    assert found.details[0].tools == ["y"]


@pytest.mark.parametrize(
    "text", ["", "alice", "[]", '{"who": 1}', '{"user": 1}', '{"expires": "soon"}', "\udcff"]
)
def test_what_is_no_delegation_is_refused(text: str) -> None:
    with pytest.raises(click.UsageError, match=r"^--delegation: "):
        stated(text)


def test_a_file_that_is_not_there_is_told_with_the_option(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match=r"^--delegation: cannot read"):
        stated(f"@{tmp_path}/none.json")
