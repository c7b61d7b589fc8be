"""``governd token``: secrets never shown unasked, claims shown for what they are: unverified."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from governd._proto.governd.v1 import admin_service_pb2, token_service_pb2
from governd.cli import token_cache, token_calls, token_claims, token_get
from governd.cli.token import token
from governd.identity import jose
from governd.identity.secret import Secret
from tests.unit.cli.tool_answers import EVIL, NOW, json_of, printed

AGENT = "spiffe://example.org/agent/planner"
IDP = "https://login.example.org/realms/a"
KEYS = {
    *("caller", "user", "user_issuer", "upstream", "resource", "scopes", "token_type"),
    *("expires_at", "expires_in_seconds", "decision_id", "claims", "claims_verified"),
}


def a_token(claims: object, **header: Any) -> str:
    """A token in form, signed by nobody."""
    parts = (json.dumps(one).encode() for one in ({"alg": "ES256", **header}, claims))
    return ".".join([*map(jose.encode, parts), jose.encode(b"signature")])


CLAIMS = {
    "jti": "t-1",
    "iss": IDP,
    "sub": "alice",
    "aud": ["crm", "https://crm.example.org/mcp"],
    "act": {"act": {"sub": "spiffe://example.org/agent/router"}, "sub": AGENT},
    "exp": int(NOW.timestamp()) + 300,
    "realm_access": {"roles": ["staff"]},
}
ACCESS_TOKEN = a_token(CLAIMS, typ="at+jwt")
ID_TOKEN = a_token({"iss": IDP, "sub": "alice"})


class Governd:
    """Gives an access token to whoever asks."""

    def __init__(self) -> None:
        self.asked: list[token_service_pb2.GetTokenRequest] = []
        self.token = ACCESS_TOKEN

    def get(
        self, _path: Path, request: token_service_pb2.GetTokenRequest, _timeout: float
    ) -> tuple[str, token_service_pb2.GetTokenResponse]:
        self.asked.append(request)
        answer = token_service_pb2.GetTokenResponse(
            access_token=self.token,
            token_type="Bearer",
            scopes=["read"],
            headers={"Authorization": f"Bearer {self.token}"},
            resource="https://crm.example.org/mcp",
            decision_id="d" * 32,
        )
        answer.expires_at.FromDatetime(datetime.now(UTC) + timedelta(seconds=300))
        return AGENT, answer


@pytest.fixture
def governd(monkeypatch: pytest.MonkeyPatch) -> Governd:
    """One that says yes."""
    governd = Governd()
    monkeypatch.setattr(token_calls, "get", governd.get)
    return governd


@pytest.fixture
def login(tmp_path: Path) -> Path:
    """A file with Alice's ID token."""
    file = tmp_path / "login.jwt"
    file.write_text(ID_TOKEN + "\n")
    return file


def run(*arguments: object, **extra: Any) -> Result:
    return CliRunner().invoke(token, [str(one) for one in arguments], **extra)


def shows(text: str, secret: str) -> bool:
    """Whether any part of a token is in a text."""
    return any(part in text for part in secret.split(".")[1:])


def test_what_is_asked_for_is_what_the_options_say(governd: Governd, login: Path) -> None:
    wanted = ("--scope", "read", "--scope", "write", "--renew")
    assert run("get", "crm", "--evidence-file", login, *wanted).exit_code == 0
    assert run("get", "jobs").exit_code == 0
    for_alice, its_own = governd.asked
    assert (for_alice.upstream, list(for_alice.scopes)) == ("crm", ["read", "write"])
    assert (for_alice.renew, for_alice.evidence.id_token) == (True, ID_TOKEN)
    assert (its_own.upstream, its_own.renew, list(its_own.scopes)) == ("jobs", False, [])
    assert not its_own.HasField("evidence")


@pytest.mark.parametrize(
    ("header", "options", "member"),
    [
        ({}, (), "id_token"),
        ({"typ": "JWT"}, (), "id_token"),
        ({"typ": "at+jwt"}, (), "access_token"),
        ({"typ": "application/at+JWT"}, (), "access_token"),
        ({"typ": "acting-as+jwt"}, (), "acting_as_token"),
        ({"typ": "JWT"}, ("--evidence-type", "access-token"), "access_token"),
        ({"typ": "at+jwt"}, ("--evidence-type", "id-token"), "id_token"),
        ({}, ("--evidence-type", "acting-as"), "acting_as_token"),
    ],
)
def test_a_user_s_token_is_of_the_type_that_its_header_or_the_operator_says(
    governd: Governd, header: dict[str, str], options: tuple[str, ...], member: str
) -> None:
    given = a_token({"iss": IDP, "sub": "alice"}, **header).encode()
    assert run("get", "crm", "--evidence-file", "-", *options, input=given).exit_code == 0
    assert governd.asked[0].evidence.WhichOneof("token") == member


def test_what_is_no_token_at_all_is_for_governd_to_refuse(governd: Governd) -> None:
    assert run("get", "crm", "--evidence-file", "-", input=b"a.b").exit_code == 0
    assert governd.asked[0].evidence.id_token == "a.b"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--evidence-type", "id-token"), "there is none"),
        (("--evidence-file", "/nowhere/login.jwt"), "cannot read /nowhere/login.jwt"),
        (("--evidence-file", "-"), "there is no token in -"),
        (("--scope", "\udcff"), "--scope: not valid UTF-8"),
    ],
)
def test_what_cannot_be_meant_is_usage_and_nothing_is_asked(
    governd: Governd, options: tuple[str, ...], said: str
) -> None:
    result = run("get", "crm", *options, input=b"")
    assert (result.exit_code, governd.asked) == (2, [])
    assert said in result.stderr


def test_a_user_s_token_on_the_command_line_is_refused_and_not_repeated(governd: Governd) -> None:
    """Where everybody on the machine could read it."""
    assert run("get", "crm", ID_TOKEN).exit_code == 2
    result = run("get", "crm", "--evidence-file", ID_TOKEN)
    assert (result.exit_code, governd.asked) == (2, [])
    assert "names a file" in result.stderr
    assert not shows(result.stderr, ID_TOKEN)


def test_a_token_is_printed_only_where_it_is_asked_for(governd: Governd, login: Path) -> None:
    ask = ("get", "crm", "--evidence-file", login)
    for options in ((), ("--json",)):
        said = run(*ask, *options)
        assert said.exit_code == 0
        assert not shows(said.output, ACCESS_TOKEN)
        assert not shows(said.output, ID_TOKEN)
    assert run(*ask, "--show-token").stdout == ACCESS_TOKEN + "\n"
    assert json.loads(run(*ask, "--show-token", "--json").stdout)["access_token"] == ACCESS_TOKEN
    assert len(governd.asked) == 4


def test_it_is_told_who_has_the_token_for_whom_for_what_and_until_when(
    governd: Governd, login: Path
) -> None:
    said = run("get", "crm", "--evidence-file", login).stdout
    assert governd.asked
    for part in (
        *(AGENT, f"alice  user, by {IDP}", "crm", "https://crm.example.org/mcp", "d" * 32),
        *("in 4 min 59 s", "not verified"),
    ):
        assert part in said
    assert "itself, and no user" in run("get", "jobs").stdout


def test_the_user_of_an_acting_as_token_is_known_to_the_user_s_own_issuer(
    governd: Governd,
) -> None:
    claims = {"iss": "spiffe://example.org/governd/signer/a", "sub": "alice", "sub_iss": IDP}
    given = a_token(claims, typ="acting-as+jwt").encode()
    said = run("get", "crm", "--evidence-file", "-", "--json", input=given).stdout
    assert governd.asked
    assert json.loads(said)["user_issuer"] == IDP


def test_what_there_is_has_stable_keys(governd: Governd, login: Path) -> None:
    said = json.loads(run("get", "crm", "--evidence-file", login, "--json").stdout)
    assert said.keys() == KEYS
    assert (said["caller"], said["user"], said["user_issuer"]) == (AGENT, "alice", IDP)
    assert (said["claims"], said["claims_verified"]) == (CLAIMS, False)
    assert 290 < said["expires_in_seconds"] <= 300
    governd.token = "opaque"
    own = json.loads(run("get", "jobs", "--json").stdout)
    assert own.keys() == KEYS
    assert (own["user"], own["user_issuer"], own["claims"]) == (None, None, None)


def test_an_opaque_token_is_said_to_be_opaque(governd: Governd) -> None:
    governd.token = "c2VjcmV0"
    said = run("get", "jobs").stdout
    assert "opaque" in said
    assert "c2VjcmV0" not in said


def test_no_text_of_what_was_got_shows_a_secret(
    governd: Governd, login: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a traceback would, or a debugger."""
    monkeypatch.setattr(token_get, "words", lambda got, _now: [repr(got)])
    said = run("get", "crm", "--evidence-file", login).stdout
    assert governd.asked
    assert AGENT in said
    assert not shows(said, ACCESS_TOKEN)
    assert not shows(said, ID_TOKEN)


def told(claims: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in token_claims.rows(claims, NOW)}


def test_claims_come_in_the_order_in_which_one_looks_for_them() -> None:
    claims = token_claims.read(Secret(ACCESS_TOKEN.encode()))
    assert claims is not None
    said = told(dict(claims))
    assert list(said) == [
        *("iss", "sub", "aud", "act.sub", "act.act.sub", "exp", "jti", "realm_access"),
    ]
    assert said["aud"] == "crm, https://crm.example.org/mcp"
    assert said["act.act.sub"] == "spiffe://example.org/agent/router"
    assert said["exp"] == "2026-01-02T03:05:00Z, in 5 min 0 s"
    assert said["realm_access"] == '{"roles": ["staff"]}'


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("exp", int(NOW.timestamp()) - 61, "2026-01-02T02:58:59Z, 1 min 1 s ago"),
        ("exp", "soon", "soon"),
        ("exp", 1e300, "1e+300"),
        ("iat", True, "true"),
        ("aud", [], "none"),
        ("aud", ["a", 1], '["a", 1]'),
        ("act", {}, "{}"),
        ("act", "planner", "planner"),
        ("sub", f"a{EVIL}", r"a\x1b[2J\x1b]0;owned\x07\x9b31m\r\u2028\u202e\u2066\u200b\U000e0041"),
    ],
)
def test_a_claim_of_any_kind_is_told(name: str, value: object, said: str) -> None:
    assert told({name: value}) == {name: said}


def test_attack_a_name_of_a_claim_moves_no_cursor() -> None:
    assert told({EVIL: 1}).keys() == told({EVIL: 2}).keys()
    assert all(one.isascii() and one.isprintable() for one in "".join(told({EVIL: 1})))


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "a.b", "a.b.c", "a.b.c.d", "a.b.c.d.e"),
        a_token([]),
        a_token("text"),
        ".".join(["e30", jose.encode(b'{"sub":"a","sub":"b"}'), "e30"]),
        ".".join(["e30", jose.encode(b'{"a":' * 900 + b"1" + b"}" * 900), "e30"]),
    ],
    ids=lambda text: text[:12],
)
def test_what_nobody_can_read_is_opaque(text: str) -> None:
    assert token_claims.read(Secret(text.encode())) is None


@given(st.binary(max_size=400))
def test_whatever_is_in_a_token_it_can_be_told(payload: bytes) -> None:
    claims = token_claims.read(Secret(b"e30." + jose.encode(payload).encode() + b".e30"))
    for name, value in token_claims.rows(claims or {}, NOW):
        assert name.isprintable()
        assert str(value) is not None


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)


@given(st.dictionaries(st.sampled_from(["iss", "aud", "act", "exp", "x"]), NESTED))
def test_whatever_claims_there_are_each_is_one_line_that_moves_no_cursor(
    claims: dict[str, Any],
) -> None:
    said = told(claims)
    assert {name.partition(".")[0] for name in said} == claims.keys()
    assert all(one.isprintable() for one in "".join([*said, *said.values()]))


def held(total: int = 2) -> admin_service_pb2.ListTokensResponse:
    """Two tokens, and maybe more."""
    answer = admin_service_pb2.ListTokensResponse(total=total)
    for user in (f"{IDP}#alice{EVIL}", ""):
        one = answer.tokens.add(upstream="crm", caller=AGENT, user=user, uses=12)
        one.digest = "sha-256:" + "0" * 64
        one.issued_at.FromDatetime(NOW - timedelta(seconds=70))
        one.expires_at.FromDatetime(NOW + timedelta(seconds=200))
    answer.tokens[0].scopes.extend(["read", "write"])
    return answer


def test_the_cache_tells_to_whom_and_for_whom_each_token_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = printed(capsys, *token_cache.words(held(), NOW))
    for part in (
        *(AGENT, rf"{IDP}#alice\x1b[2J", "read write", "itself, and no user", "no scope"),
        *("in 3 min 20 s", "12"),
    ):
        assert part in said
    assert said.endswith("2 tokens held\n")
    assert printed(capsys, *token_cache.words(held(1001), NOW)).endswith(
        "2 listed, 1001 tokens held in all\n"
    )
    none = admin_service_pb2.ListTokensResponse()
    assert printed(capsys, *token_cache.words(none, NOW)) == "0 tokens held\n"


def test_a_token_that_is_held_has_stable_keys(capsys: pytest.CaptureFixture[str]) -> None:
    said = json_of(capsys, token_cache.to_json(held()))
    assert (said["total"], len(said["tokens"])) == (2, 2)
    assert said["tokens"][1] == {
        "upstream": "crm",
        "caller": AGENT,
        "user": "",
        "scopes": [],
        "digest": "sha-256:" + "0" * 64,
        "issued_at": "2026-01-02T02:58:50Z",
        "expires_at": "2026-01-02T03:03:20Z",
        "uses": 12,
    }


def test_the_cache_can_be_asked_about_one_upstream(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(_path: Path, upstream: str, _timeout: float) -> admin_service_pb2.ListTokensResponse:
        asked.append(upstream)
        return held()

    monkeypatch.setattr(token_calls, "held", answer)
    assert run("cache", "--upstream", "crm", "--json").exit_code == 0
    assert run("cache").exit_code == 0
    assert asked == ["crm", ""]
