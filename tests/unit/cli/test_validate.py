"""``governd validate``: all that would keep governd from starting, at once."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.policy_files import governd_says, write_policy

LISTENER = '[[listener]]\nsocket = "a.sock"\nspiffe_id = "spiffe://example.org/agent/a"\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A good configuration with a good policy."""
    write_policy(tmp_path / "policy")
    file = tmp_path / "governd.toml"
    file.write_text(f'trust_domain = "example.org"\n{LISTENER}[policy]\ndirectory = "policy"\n')
    return file


def test_a_good_configuration_is_valid(config: Path) -> None:
    said = governd_says("validate", "--config", config).stdout
    assert f"{config}: valid, 1 listener, " in said


def test_all_mistakes_come_at_once_with_file_line_and_key(config: Path) -> None:
    text = config.read_text().replace('trust_domain = "example.org"', "trust_domain = 7")
    config.write_text(f'{text}[log]\nlevel = "loud"\n')
    said = governd_says("validate", "--config", config, code=1).stdout
    assert f"{config}:1: trust_domain: expected " in said
    assert f"{config}:8: log.level: expected " in said
    assert "2 mistakes" in said


def test_a_policy_that_would_be_refused_is_a_mistake(config: Path) -> None:
    file = config.parent / "policy" / "policies" / "main.cedar"
    file.write_text("nonsense")
    assert f"{file}:1: " in governd_says("validate", "--config", config, code=1).stdout


def test_what_is_unsafe_or_missing_is_a_warning(config: Path) -> None:
    text = config.read_text().replace('[policy]\ndirectory = "policy"', "[policy]")
    config.write_text(f"{text}[decision_log]\nunsafe_answer_without_log = true\n")
    said = governd_says("validate", "--config", config).stdout
    assert "warning: decision_log.unsafe_answer_without_log is on" in said
    assert "warning: policy.directory is not set" in said


def test_json_tells_the_same_under_stable_keys(config: Path) -> None:
    said = json.loads(governd_says("validate", "--config", config, "--json").stdout)
    assert said["valid"] is True
    assert said["listeners"] == 1
    assert said["policy"]["bundle_version"] == 3
    config.write_text("nope = 1")
    said = json.loads(governd_says("validate", "--config", config, "--json", code=1).stdout)
    assert said["valid"] is False
    assert said["policy"] is None
    assert {"file", "line", "message"} == set(said["problems"][0])


def test_the_environment_names_the_file_and_wins_over_it(config: Path) -> None:
    env = {"GOVERND_CONFIG": str(config), "GOVERND_LOG__LEVEL": "loud"}
    said = governd_says("validate", env=env, code=1).stdout
    assert "environment: GOVERND_LOG__LEVEL: log.level: expected" in said


def test_the_command_lines_own_variables_are_no_settings(config: Path) -> None:
    env = {"GOVERND_CONFIG": str(config), "GOVERND_ADMIN_SOCKET": "/a", "GOVERND_SOCKET": "/b"}
    governd_says("validate", env=env)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    said = governd_says("validate", "--config", tmp_path / "nope", code=1).stdout
    assert f"{tmp_path / 'nope'}: expected a readable file" in said
