"""What people and programs are shown of revocations, and what they may state."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from governd._proto.governd.v1 import admin_service_pb2
from governd.cli import connection, output, revocation_list, revocation_text
from governd.cli.revocation import revocation

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
USER = "https://idp.example#alice"


def revoked(reason: str = "left", **what: str) -> admin_service_pb2.Revocation:
    one = admin_service_pb2.Revocation(revoked=admin_service_pb2.Revoked(**what), reason=reason)
    one.since.FromDatetime(NOW)
    one.until.FromDatetime(NOW + timedelta(hours=2))
    return one


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[admin_service_pb2.RevokeRequest]:
    """What governd was asked."""
    found: list[admin_service_pb2.RevokeRequest] = []

    def revoke(
        path: Path, request: admin_service_pb2.RevokeRequest, timeout: float
    ) -> admin_service_pb2.RevokeResponse:
        found.append(request)
        one = revoked()
        one.revoked.CopyFrom(request.revoked)
        return admin_service_pb2.RevokeResponse(revocation=one)

    monkeypatch.setattr(connection, "revoke", revoke)
    return found


def run(*words: str) -> Result:
    return CliRunner().invoke(revocation, words, standalone_mode=False)


@pytest.mark.parametrize(
    ("kind", "member"),
    [
        ("agent", "spiffe_id"),
        ("user", "user"),
        ("transaction", "transaction"),
        ("token", "token_id"),
    ],
)
def test_each_kind_is_asked_for_by_its_name(
    asked: list[admin_service_pb2.RevokeRequest], kind: str, member: str
) -> None:
    said = json.loads(run("add", kind, "x", "--for", "90m", "--reason", "gone", "--json").output)
    assert asked[0].revoked == admin_service_pb2.Revoked(**{member: "x"})
    assert (asked[0].lifetime.seconds, asked[0].reason) == (5400, "gone")
    assert (said["kind"], said["name"], said["until"]) == (kind, "x", "2026-01-01T14:00:00Z")


def test_the_lifetime_is_governds_to_choose_unless_stated(
    asked: list[admin_service_pb2.RevokeRequest],
) -> None:
    assert "revoked  user " in run("add", "user", USER).output
    assert not asked[0].HasField("lifetime")


def test_who_revokes_a_token_is_told_that_its_children_stay_valid(
    asked: list[admin_service_pb2.RevokeRequest],
) -> None:
    assert "extended from it stays valid" in run("add", "token", "jti").output
    assert "stays valid" not in run("add", "transaction", "txn").output
    assert json.loads(run("add", "token", "jti", "--json").output)["kind"] == "token"
    assert asked[0].revoked.token_id == "jti"


@pytest.mark.parametrize("lifetime", ["", "5", "h", "-1h", "1.5h", "1w", "1h30m", "9" * 10 + "s"])
def test_a_lifetime_that_is_none_is_refused(
    asked: list[admin_service_pb2.RevokeRequest], lifetime: str
) -> None:
    result = run("add", "user", USER, "--for", lifetime)
    assert "expected a number" in result.output
    assert result.exit_code == 2
    assert asked == []


def test_a_list_says_what_until_when_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    found = [revoked(user=USER), revoked("", token_id="jti\x1b[31m"), revoked()]
    output.show(*revocation_list.words(found, NOW + timedelta(hours=1)))
    said = capsys.readouterr().out
    for words in (USER, "1 h 0 min", "left", "jti", "?"):
        assert words in said
    assert "\x1b" not in said
    output.show(*revocation_list.words([], NOW))
    assert "nothing is revoked" in capsys.readouterr().out


def test_a_list_as_json_has_stable_keys() -> None:
    assert revocation_text.to_json(revoked(spiffe_id="spiffe://example.org/a")) == {
        "kind": "agent",
        "name": "spiffe://example.org/a",
        "since": "2026-01-01T12:00:00Z",
        "until": "2026-01-01T14:00:00Z",
        "reason": "left",
    }
