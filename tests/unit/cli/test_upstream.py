"""``governd upstream``: what an operator is shown of upstreams, and of a check of one."""

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import import_key
from rich.console import Console

from governd._proto.governd.v1 import admin_service_pb2 as pb
from governd.cli import upstream_calls, upstream_check, upstream_list
from governd.cli.upstream import upstream
from tests.unit.cli.tool_answers import EVIL

SOCKET = ("--admin-socket", "/nowhere/admin.sock")


def an_upstream(**values: Any) -> pb.UpstreamStatus:
    usual = {
        "name": "crm",
        "resource": "https://crm.example.org/mcp",
        "authorization_server": "corp",
        "issuer": "https://login.example.org/realms/a",
        "grant": "token-exchange",
        "client": "governd",
        "actor": "agent",
        "scopes": ["read", "write"],
        "tokens": 3,
        "state": "up",
    }
    return pb.UpstreamStatus(**{**usual, **values})


def a_check(*failing: str) -> pb.CheckUpstreamResponse:
    """Three steps, of which some are not ok."""
    answer = pb.CheckUpstreamResponse(ok=not failing)
    for step in ("metadata", "client", "grant"):
        detail = f"not taken{EVIL}" if step in failing else "as it has to be"
        one = answer.checks.add(
            authorization_server="corp", step=step, ok=step not in failing, detail=detail
        )
        one.took.FromMilliseconds(1500 if step == "grant" else 12)
    return answer


class Governd:
    """Answers the operator's questions."""

    def __init__(self) -> None:
        self.known: list[pb.UpstreamStatus] = []
        self.checked: list[str] = []
        self.answer = a_check()

    def upstreams(self, _path: Path, _timeout: float) -> pb.ListUpstreamsResponse:
        return pb.ListUpstreamsResponse(upstreams=self.known)

    def check(self, _path: Path, name: str, timeout: float) -> pb.CheckUpstreamResponse:
        assert timeout > 30, "governd itself takes that long"
        self.checked.append(name)
        return self.answer


@pytest.fixture
def governd(monkeypatch: pytest.MonkeyPatch) -> Governd:
    """One that has no upstream."""
    governd = Governd()
    monkeypatch.setattr(upstream_calls, "upstreams", governd.upstreams)
    monkeypatch.setattr(upstream_calls, "check", governd.check)
    return governd


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(upstream, [*arguments, *SOCKET])
    assert not {one for one in EVIL if not one.isascii() or ord(one) in {7, 27}} & set(
        result.output
    )
    return result


def lines_with(said: str, *parts: str) -> Iterable[str]:
    return [line for line in said.splitlines() if all(part in line for part in parts)]


def test_the_list_tells_each_upstream_with_its_issuer_and_who_acts(governd: Governd) -> None:
    governd.known = [an_upstream(), an_upstream(name="jobs", actor="", resource="", audience="j")]
    said = run("list").output
    for part in (
        *("crm", "https://crm.example.org/mcp", "https://login.example.org/realms/a"),
        *(
            "audience j",
            "token-exchange",
            "acts: agent",
            "client: governd",
            "scopes: read write",
            "jobs",
        ),
    ):
        assert part in said
    assert said.count("acts: ") == 1, "where no user is, nobody acts for one"
    assert "2 upstreams, 0 down\n" in said


def test_an_upstream_without_the_name_of_who_acts_is_loud(governd: Governd) -> None:
    governd.known = [an_upstream(actor="unsafe_none")]
    said = run("list").output
    assert "acts: unsafe_none" in said
    assert "1 upstream, 0 down, 1 whose tokens name nobody who acts" in said


def test_the_list_can_fail_where_one_is_down(governd: Governd) -> None:
    governd.known = [an_upstream(), an_upstream(name="erp", state=f"down: timed out{EVIL}")]
    result = run("list", "--exit-code")
    assert "2 upstreams, 1 down" in result.output
    assert r"erp is down: timed out\x1b[2J" in result.output
    assert result.exit_code == 1
    assert run("list").exit_code == 0
    governd.known = [an_upstream(state="unknown")]
    assert run("list", "--exit-code").exit_code == 0


def test_a_policy_without_upstreams_is_told(governd: Governd) -> None:
    assert governd.known == []
    assert run("list").output == "the policy in force names no upstream\n"
    assert json.loads(run("list", "--json").output) == {"upstreams": []}


def test_an_upstream_has_stable_keys() -> None:
    assert upstream_list.to_json(an_upstream()) == {
        "name": "crm",
        "resource": "https://crm.example.org/mcp",
        "audience": "",
        "authorization_server": "corp",
        "issuer": "https://login.example.org/realms/a",
        "grant": "token-exchange",
        "client": "governd",
        "actor": "agent",
        "scopes": ["read", "write"],
        "tokens": 3,
        "state": "up",
    }


def test_a_check_tells_step_by_step_what_was_found_and_how_long_it_took(governd: Governd) -> None:
    result = run("check", "crm")
    assert (result.exit_code, governd.checked) == (0, ["crm"])
    assert lines_with(result.output, "corp", "metadata", "ok", "as it has to be", "12 ms")
    assert lines_with(result.output, "corp", "grant", "1.5 s")
    assert result.output.endswith("crm  ok\n")
    assert result.stderr == "", "progress is for terminals alone"


def test_a_check_of_which_a_step_fails_is_not_ok_and_nothing_in_it_is_obeyed(
    governd: Governd,
) -> None:
    governd.answer = a_check("grant")
    result = run("check", "crm")
    assert result.exit_code == 1
    assert lines_with(result.output, "grant", "NOT OK", r"not taken\x1b[2J")
    assert result.output.endswith("crm  NOT OK\n")


def test_a_check_has_stable_keys(governd: Governd) -> None:
    governd.answer = a_check("client")
    result = run("check", "crm", "--json")
    said = json.loads(result.output)
    assert (result.exit_code, said["ok"], len(said["checks"])) == (1, False, 3)
    assert said["checks"][0] == {
        "authorization_server": "corp",
        "step": "metadata",
        "ok": True,
        "detail": "as it has to be",
        "took_seconds": 0.012,
    }


def test_progress_is_shown_on_a_terminal_and_gone_when_it_is_over() -> None:
    written = io.StringIO()
    terminal = Console(file=written, force_terminal=True, width=80, color_system=None)
    with upstream_check.progress("crm\x1b[2J", terminal):
        pass
    said = written.getvalue()
    assert r"asking the authorization servers of crm\x1b[2J" in said
    assert "\x1b[2J" not in said
    assert said.endswith("\x1b[2K"), "the line was erased"
    plain = Console(file=io.StringIO(), force_terminal=False)
    with upstream_check.progress("crm", plain):
        assert plain.file.write("") == 0
    assert isinstance(plain.file, io.StringIO)
    assert plain.file.getvalue() == ""


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    ],
    ids=["P-256", "Ed25519"],
)
def test_of_a_client_key_the_public_half_is_printed_and_no_other(
    tmp_path: Path, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, algorithm: str
) -> None:
    file = tmp_path / "corp.pem"
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(pem)
    [shown] = json.loads(jwks(file, "--json").stdout)["keys"]
    assert (shown["alg"], shown["use"]) == (algorithm, "sig")
    assert "d" not in shown
    assert import_key(shown).thumbprint() == shown["kid"]
    said = jwks(file).stdout
    assert shown["kid"] in said
    private = import_key(pem, "EC" if algorithm == "ES256" else "OKP").as_dict(private=True)["d"]
    assert str(private) not in said


@pytest.mark.parametrize("text", [b"", b"no key", b"x" * (1 << 20)])
def test_what_is_no_client_key_is_refused_and_not_repeated(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "corp.pem"
    file.write_bytes(text)
    result = jwks(file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no key" not in result.stderr


def jwks(*arguments: object) -> Result:
    return CliRunner().invoke(upstream, ["jwks", *map(str, arguments)])
