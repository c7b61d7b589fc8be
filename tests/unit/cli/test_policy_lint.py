"""``governd policy lint``: mistakes and second looks by file and line."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.policy_files import READER, governd_says, write_policy

UNNAMED = f'\nforbid (principal == Agent::"{READER}", action, resource);\n'


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A good policy."""
    return write_policy(tmp_path / "policy")


def test_a_good_policy_is_good(policy: Path) -> None:
    assert "0 errors, 0 warnings" in governd_says("policy", "lint", policy, "--strict").stdout


def test_every_mistake_is_told_with_its_file_and_line(policy: Path) -> None:
    (policy / "policies" / "main.cedar").write_text('@id("x")\nforbid (principal;')
    (policy / "grants.toml").write_text("\nnope = 1\n")
    said = governd_says("policy", "lint", policy, code=1).stdout
    assert f"{policy / 'policies' / 'main.cedar'}:1: error: " in said
    assert f"{policy / 'grants.toml'}:2: error: nope: " in said
    assert "2 errors, 0 warnings" in said


def test_a_warning_fails_only_when_it_is_asked_to(policy: Path) -> None:
    with (policy / "policies" / "main.cedar").open("a") as file:
        file.write(UNNAMED)
    said = governd_says("policy", "lint", policy).stdout
    assert f"{policy / 'policies' / 'main.cedar'}:5: warning: policy: has no @id" in said
    governd_says("policy", "lint", policy, "--strict", code=1)


def test_json_has_errors_and_warnings_under_stable_keys(policy: Path) -> None:
    with (policy / "policies" / "main.cedar").open("a") as file:
        file.write(UNNAMED)
    said = json.loads(governd_says("policy", "lint", policy, "--json").stdout)
    assert said["errors"] == []
    assert {tuple(one) for one in said["warnings"]} == {("file", "line", "message")}


def test_an_absent_directory_is_named(tmp_path: Path) -> None:
    said = governd_says("policy", "lint", tmp_path / "nope", code=1).stdout
    assert f"{tmp_path / 'nope'}: error: is not a directory" in said
