"""``governd delegation``: chains drawn, tokens verified offline, tokens never shown unasked."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from governd._proto.governd.v1 import delegation_service_pb2
from governd.cli import acting_as_verify, connection
from governd.cli.acting_as import delegation
from tests.fakes.authority import NOON
from tests.fakes.forge import BODY, PLANNER, ROUTER, SIGNER, TOOLS, URI, Forge, digest, nested

KEYS = {
    *("user", "user_issuer", "actors", "audience", "scopes", "authorization_details", "request"),
    *("issued_at", "expires_at", "signer", "token_id", "transaction", "max_depth", "certificate"),
    *("parent", "kya_level", "kya_attestation", "policy_digest", "decision_id"),
}
FORGE = Forge()


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time at which forged tokens count."""

    class Clock:
        @staticmethod
        def now(_zone: object) -> Any:
            return NOON

    monkeypatch.setattr(acting_as_verify, "datetime", Clock)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A trust bundle, a request's body and a token of two actors."""
    authorities = [x509.load_der_x509_certificate(der) for der in FORGE.authority.bundle]
    pem = b"".join(one.public_bytes(Encoding.PEM) for one in authorities)
    (tmp_path / "ca.pem").write_bytes(pem)
    (tmp_path / "body").write_bytes(BODY)
    (tmp_path / "token").write_text(chained() + "\n")
    return tmp_path


def chained(**changes: Any) -> str:
    parent = digest(b"parent")
    claims = {"act": nested(PLANNER, ROUTER), "dep": 2, "pth": parent, **changes}
    return FORGE.token(**claims)


def run(*arguments: object, **extra: Any) -> Result:
    return CliRunner().invoke(delegation, [str(one) for one in arguments], **extra)


def verified(folder: Path, *more: object, token: str | None = None) -> Result:
    if token is not None:
        (folder / "token").write_text(token)
    request = ("--method", "POST", "--uri", URI, "--body", folder / "body", "--peer", PLANNER)
    given = ("--bundle", folder / "ca.pem", "--audience", TOOLS, *request)
    return run("verify", folder / "token", *given, *more)


def test_a_chain_is_drawn_from_the_user_to_who_is_called(folder: Path) -> None:
    result = run("show", folder / "token")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("not verified")
    assert lines[2].startswith("user:alice@example.com")
    assert ROUTER in lines[3]
    assert lines[4].startswith(f"   \u2514\u2500 {PLANNER}  acts")
    assert lines[5].startswith(f"      \u2514\u2500 {TOOLS}  is called")
    assert (folder / "token").read_text().split(".")[2].strip() not in result.stdout


def test_what_a_token_claims_has_stable_keys(folder: Path) -> None:
    said = json.loads(run("show", "-", "--json", input=(folder / "token").read_bytes()).stdout)
    assert said.keys() == KEYS | {"verified"}
    assert said["verified"] is False
    assert (said["actors"], said["signer"]) == ([PLANNER, ROUTER], SIGNER)
    assert said["request"]["uri"] == URI


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("a.b", "does not parse"),
        ("a.b.c", "does not parse"),
        (FORGE.token(FORGE.header(typ="JWT")), "expected acting-as+jwt"),
        (FORGE.token(dep=2), "dep"),
        ("a" * 9000, "more than 8192 bytes"),
    ],
)
def test_what_is_no_token_is_said_to_be_none(tmp_path: Path, token: str, why: str) -> None:
    (tmp_path / "token").write_text(token)
    result = run("show", tmp_path / "token")
    assert result.exit_code == 1
    assert why in result.stderr
    assert result.stdout == ""


def test_attack_a_claim_with_control_characters_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(FORGE.token(sub="alice\u001b[2K\u202e"))
    said = run("show", tmp_path / "token").output
    assert said
    assert "\u001b" not in said
    (tmp_path / "token").write_text(FORGE.token(sub="alice\u202e"))
    assert "\u202e" not in run("show", tmp_path / "token").output


@pytest.mark.req("gi-3", part=True)
def test_a_token_is_verified_with_the_trust_bundle_alone(folder: Path) -> None:
    result = verified(folder)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("verified")
    said = json.loads(verified(folder, "--json").stdout)
    assert said.keys() == KEYS | {"verified", "binding", "digest"}
    assert said["verified"] is True


@pytest.mark.req("gi-3", part=True)
@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (("--audience", ROUTER), "AUDIENCE"),
        (("--peer", ROUTER), "CALLER"),
        (("--uri", "https://other.example/"), "REQUEST_URI"),
        (("--signer", "spiffe://example.org/agent"), "ISSUER_NOT_ALLOWED"),
        (("--least-binding", "body"), "BINDING_TOO_WEAK"),
    ],
)
def test_what_a_receiver_rejects_is_rejected(
    folder: Path, more: tuple[str, str], reason: str
) -> None:
    result = verified(folder, *more, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["reason"] == reason


def test_attack_a_token_of_another_authority(folder: Path) -> None:
    result = verified(folder, token=Forge().token())
    assert (result.exit_code, result.stdout.split()[:2]) == (1, ["rejected", "SIGNER"])


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--bundle", "missing.pem"), "cannot read missing.pem"),
        (("--peer", "planner"), "--peer"),
        (("--audience", "tools"), "--audience"),
        (("--uri", "https://a.example/../b"), "--uri"),
        (("--bundle", "a b=missing.pem"), "--bundle"),
    ],
)
def test_what_cannot_be_meant_is_usage(folder: Path, more: tuple[str, str], why: str) -> None:
    result = verified(folder, *more)
    assert result.exit_code == 2
    assert why in result.stderr


def test_a_bundle_is_certificates(folder: Path) -> None:
    result = verified(folder, "--bundle", folder / "body")
    assert result.exit_code == 2
    assert "expected certificates in PEM" in result.stderr


def test_a_bundle_may_be_another_domains(folder: Path) -> None:
    foreign = verified(folder, "--bundle", f"example.com={folder / 'ca.pem'}")
    assert foreign.exit_code == 0


class Governd:
    """Mints what it is asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[delegation_service_pb2.MintRequest] = []
        monkeypatch.setattr(connection, "mint", self.mint)

    def mint(
        self, _path: Path, request: delegation_service_pb2.MintRequest, _timeout: float
    ) -> delegation_service_pb2.MintResponse:
        self.asked.append(request)
        minted = delegation_service_pb2.Delegation(token=FORGE.token())
        return delegation_service_pb2.MintResponse(delegation=minted, decision_id="d" * 32)


@pytest.fixture
def governd(monkeypatch: pytest.MonkeyPatch) -> Governd:
    """One that says yes."""
    return Governd(monkeypatch)


def test_what_is_asked_for_is_minted(folder: Path, governd: Governd) -> None:
    uri = "https://Tools.example.org:443/mcp?q=1"
    request = ("--method", "POST", "--uri", uri, "--body", folder / "body")
    terms = ("--scope", "b", "--scope", "a", "--lifetime", 60, "--max-depth", 2)
    result = run("mint", TOOLS, "--id-token", folder / "token", *terms, *request)
    assert result.exit_code == 0, result.stderr
    [asked] = governd.asked
    assert asked.evidence.id_token == (folder / "token").read_text().strip()
    assert (asked.audience, list(asked.scopes)) == (TOOLS, ["b", "a"])
    assert (asked.lifetime.seconds, asked.max_depth) == (60, 2)
    assert (asked.request.method, asked.request.uri) == ("POST", uri)
    assert asked.request.body_digest.startswith("sha-256=:")


def test_a_token_is_printed_only_where_it_is_asked_for(folder: Path, governd: Governd) -> None:
    ask = ("mint", TOOLS, "--access-token", folder / "token")
    token = FORGE.token().split(".")[1]
    assert token not in run(*ask).output
    assert token not in run(*ask, "--json").output
    assert token in run(*ask, "--token").stdout
    assert token in json.loads(run(*ask, "--token", "--json").stdout)["token"]
    assert run(*ask, "--token").stdout.count("\n") == 1


@pytest.mark.parametrize(
    "evidence", [(), ("--id-token", "x", "--access-token", "x"), ("--id-token", "missing")]
)
def test_in_whose_name_is_stated_once(governd: Governd, evidence: tuple[str, ...]) -> None:
    assert run("mint", TOOLS, *evidence).exit_code == 2
    assert governd.asked == []


def test_a_request_is_stated_whole(folder: Path, governd: Governd) -> None:
    result = run("mint", TOOLS, "--id-token", folder / "token", "--method", "POST")
    assert result.exit_code == 2
    assert "a request has both" in result.stderr


def test_a_file_that_holds_no_token_is_none(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xff")
    assert run("show", tmp_path / "token").exit_code == 2
    (tmp_path / "token").write_bytes(b"x" * (1 << 20) + b"x")
    assert run("show", tmp_path / "token").exit_code == 2
