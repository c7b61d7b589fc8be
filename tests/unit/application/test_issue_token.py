"""What is sent to whom, grant by grant, and which answers give nobody a token."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from governd.application.evidence import Shown
from governd.delegation.evidence_faults import EvidenceError, EvidenceFault
from governd.errors import IdentityError, RequestError, TokenRefusedError
from governd.identity import SpiffeId, jose
from governd.identity.secret import Secret
from governd.identity.user import User
from governd.policy.delegated import Delegation, EvidenceKind
from governd.tokens import words
from tests.fakes.authorization_server import AuthorizationServer
from tests.fakes.getting_tokens import Getting
from tests.fakes.time import settle
from tests.fakes.upstreams import (
    CORP,
    GOVERND,
    IDP,
    NAMED,
    OWN,
    PLANNER,
    ROUTER,
    SERVERS,
    UPSTREAMS,
)

PARTNER = "https://partner.example"
UPSTREAM = (
    '[[upstream]]\nname = "crm"\nresource = "https://crm.example/mcp"\ngrant = "token-exchange"\n'
    'authorization_server = "{}"\nscopes = ["read", "write"]\n'
)

pytestmark = pytest.mark.req("c-3", part=True)


@pytest.fixture
async def node() -> AsyncIterator[Getting]:
    made = await Getting().open()
    yield made
    await made.close()


def claims(token: Secret | str) -> dict[str, Any]:
    text = token if isinstance(token, str) else token.reveal().decode()
    return dict(jose.read_token(text)[1])


async def refused(node: Getting, upstream: str, shown: Shown | None = None) -> dict[str, str]:
    """Why there is no token, as the caller and the record have it."""
    held = len(node.supply)
    with pytest.raises(TokenRefusedError) as raised:
        await node.get(upstream, shown)
    assert len(node.supply) == held
    facts = raised.value.metadata
    record = node.records[-1]
    assert (record["kind"], record["rule"]) == ("token", facts["rule"])
    assert facts["upstream"] == upstream
    return facts


async def test_an_exchange_shows_the_user_the_agent_and_governd(node: Getting) -> None:
    login = node.login()
    await node.get("crm", login, "read")
    (form,) = node.corp.forms
    assert form["grant_type"] == words.TOKEN_EXCHANGE
    assert form["subject_token"] == login.token.reveal().decode()
    assert form["subject_token_type"] == words.ID_TOKEN
    assert form["actor_token_type"] == words.JWT
    actor, client = claims(form["actor_token"]), claims(form["client_assertion"])
    assert (actor["sub"], actor["aud"]) == (PLANNER, [CORP])
    assert (client["sub"], client["aud"]) == (str(OWN), [CORP])
    assert form["client_assertion_type"] == words.ASSERTED_BY_SPIFFE
    assert (form["resource"], form["scope"]) == ("https://crm.example/mcp", "read")
    assert "audience" not in form


async def test_a_users_access_token_is_sent_as_one(node: Getting) -> None:
    await node.get("crm", node.shown_to(GOVERND))
    assert node.corp.forms[0]["subject_token_type"] == words.ACCESS_TOKEN


async def test_the_agent_s_own_svid_is_exchanged_where_there_is_no_user(node: Getting) -> None:
    said = claims((await node.get("self")).token)
    (form,) = node.corp.forms
    assert claims(form["subject_token"])["sub"] == said["sub"] == PLANNER
    assert "actor_token" not in form


async def test_governds_own_token_says_who_acts_where_a_server_knows_only_its_clients(
    node: Getting,
) -> None:
    said = claims((await node.get("own", node.login())).token)
    assert (said["sub"], said["act"]) == ("alice", {"sub": GOVERND})
    await node.get("own", node.login("carol"))
    assert node.asked == {"client-credentials": 1, "token-exchange": 2}
    form = node.corp.forms[-1]
    assert form["actor_token_type"] == words.ACCESS_TOKEN
    assert claims(form["actor_token"])["sub"] == GOVERND
    assert [one.key.upstream for one in node.supply] == ["own", "own"], "and nobody gets that one"


async def test_governds_own_token_is_asked_for_anew_before_it_ends(node: Getting) -> None:
    await node.get("own", node.login())
    await node.time.advance(0.69 * 300)
    await node.get("own", node.login("carol"))
    assert node.asked["client-credentials"] == 1
    await node.time.advance(0.02 * 300)
    await node.get("own", node.login("dora"))
    await settle()
    assert node.asked["client-credentials"] == 2
    await node.get("own", node.login("erin"))
    first, second, third, fourth = (
        form["actor_token"] for form in node.corp.forms if "actor_token" in form
    )
    assert first == second == third, "nobody waits for the other one"
    assert fourth != third


async def test_governds_own_token_that_has_ended_is_asked_for_while_its_user_waits(
    node: Getting,
) -> None:
    await node.get("own", node.login())
    await node.time.advance(301)
    await node.get("own", node.login("carol"))
    assert node.asked["client-credentials"] == 2


async def test_governds_own_token_that_breaks_a_rule_acts_for_nobody(node: Getting) -> None:
    node.corp.claims["iss"] = "https://evil.example"
    assert (await refused(node, "own", node.login()))["rule"] == "issuer"
    assert node.asked == {"client-credentials": 1}


async def test_an_agent_that_is_the_client_is_named_by_the_token(node: Getting) -> None:
    said = claims((await node.get("direct", node.shown_to(GOVERND, CORP))).token)
    assert said["client_id"] == "planner"
    (form,) = node.corp.forms
    assert claims(form["client_assertion"])["sub"] == PLANNER
    assert "actor_token" not in form


@pytest.mark.parametrize("client", ["router", "chat", ROUTER, GOVERND])
async def test_attack_a_server_names_another_client_in_place_of_the_agent(
    node: Getting, client: str
) -> None:
    node.corp.claims["client_id"] = client
    facts = await refused(node, "direct", node.shown_to(GOVERND, CORP))
    assert facts["rule"] == "client"


async def test_an_agent_whose_name_nobody_states_is_its_spiffe_id(node: Getting) -> None:
    await node.rewrite(**{NAMED: ""})
    facts = await refused(node, "direct", node.shown_to(GOVERND, CORP))
    assert facts["rule"] == "client"
    node.corp.claims["client_id"] = PLANNER
    shown = node.shown_to(GOVERND, CORP)
    assert await node.get("direct", shown, "read")


async def test_unsafe_none_says_nothing_of_who_acts(node: Getting) -> None:
    assert "act" not in claims((await node.get("plain", node.login())).token)
    assert "actor_token" not in node.corp.forms[0]


async def test_an_id_jag_goes_from_the_identity_provider_to_the_server_and_to_nobody_else(
    node: Getting,
) -> None:
    login = node.login()
    handed = await node.get("mail", login)
    assert node.asked == {"id-jag": 1, "jwt-bearer": 1}
    (first,), (second,) = node.idp.forms, node.corp.forms
    assert first["requested_token_type"] == words.ID_JAG
    assert (first["audience"], first["resource"]) == (CORP, "https://mail.example/mcp")
    assert first["subject_token"] == login.token.reveal().decode()
    assert claims(first["actor_token"])["aud"] == [IDP]
    assert second["grant_type"] == words.JWT_BEARER
    assert second["assertion"] == node.idp.issued[0]
    assert login.token.reveal().decode() not in second.values(), "the ID token stays there"
    assert claims(handed.token)["act"] == {"sub": PLANNER}
    assert handed.token.reveal().decode() == node.corp.issued[0]


async def test_a_narrowed_id_jag_asks_for_no_more_than_it_permits(node: Getting) -> None:
    node.idp.claims["scope"] = "read"
    node.idp.reply["scope"] = "read"
    assert (await node.get("mail", node.login())).scopes == ("read",)
    assert node.corp.forms[0]["scope"] == "read"


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("aud", [CORP, "https://other.example"]),
        ("aud", "https://other.example"),
        ("client_id", "other"),
        ("iss", "https://evil.example"),
        ("sub", "carol"),
        ("resource", "https://bank.example"),
        ("act", {"sub": ROUTER}),
        ("act", None),
        ("cnf", {"jkt": "x"}),
        ("scope", "read write admin"),
    ],
)
async def test_attack_an_id_jag_that_is_not_what_was_asked_for_is_sent_nowhere(
    node: Getting, claim: str, value: object
) -> None:
    node.idp.claims[claim] = value
    node.idp.reply["scope"] = None
    await refused(node, "mail", node.login())
    assert not node.corp.forms


async def test_attack_an_access_token_is_no_subject_of_an_id_jag(node: Getting) -> None:
    with pytest.raises(RequestError, match="id_token"):
        await node.get("mail", node.shown_to(GOVERND))


async def test_an_assertion_of_governds_names_the_user_and_the_agent(node: Getting) -> None:
    login = node.login()
    said = claims((await node.get("hr", login)).token)
    assert (said["sub"], said["act"]) == ("alice", {"sub": PLANNER})
    (form,) = node.corp.forms
    assertion = claims(form["assertion"])
    assert (assertion["iss"], assertion["sub"], assertion["aud"]) == (GOVERND, "alice", CORP)
    assert assertion["act"] == {"sub": PLANNER}
    assert assertion["exp"] - assertion["iat"] == 60
    assert login.token.reveal().decode() not in form.values()


def partners_table(partner: AuthorizationServer) -> str:
    """The ``[[issuer]]`` of another company, whose users count, too."""
    jwk = "".join(f'{name} = "{value}"\n' for name, value in partner.signer.jwk().items())
    return (
        f'[[issuer]]\nname = "partner"\nissuer = "{PARTNER}"\n'
        f'audiences = ["{GOVERND}"]\nkinds = ["id_token"]\n[[issuer.key]]\n{jwk}'
    )


@pytest.mark.req("r-3", part=True)
async def test_attack_a_user_of_another_issuer_with_the_same_name() -> None:
    """An assertion says ``alice``; whose alice that is, its server could not tell."""
    partner = AuthorizationServer(PARTNER)
    node = await Getting(manifest=SERVERS + UPSTREAMS + partners_table(partner)).open()
    partner.clock = node.time.wall_clock
    theirs = Shown(EvidenceKind.ID_TOKEN, Secret(partner.id_token("alice", GOVERND).encode()))
    assert claims((await node.get("hr", node.login())).token)["sub"] == "alice"
    with pytest.raises(EvidenceError, match="another issuer") as raised:
        await node.get("hr", theirs)
    assert raised.value.fault is EvidenceFault.ISSUER
    assert len(node.corp.forms) == 1
    await node.close()


async def test_attack_an_acting_as_token_for_a_user_of_another_issuer(node: Getting) -> None:
    actors, kinds = (SpiffeId.parse(PLANNER),), frozenset({EvidenceKind.ACTING_AS})
    scopes = frozenset({"token:exchange:hr/*"})
    stranger = Delegation(User(PARTNER, "alice"), actors, kinds, node.time.wall + 120, scopes)
    node.received["chain"] = stranger
    with pytest.raises(EvidenceError, match="another issuer"):
        await node.get("hr", Shown(EvidenceKind.ACTING_AS, Secret(b"chain")))
    assert not node.corp.forms


async def test_any_upstream_may_be_for_the_users_of_one_issuer_alone() -> None:
    table = partners_table(AuthorizationServer(PARTNER))
    node = await Getting(manifest=SERVERS + UPSTREAMS + table).open()
    assert await node.get("crm", node.login())
    await node.rewrite(**{'name = "crm"\n': f'name = "crm"\nusers_from = ["{PARTNER}"]\n'})
    with pytest.raises(EvidenceError, match="another issuer"):
        await node.get("crm", node.login())
    await node.close()


async def test_attack_a_server_that_takes_an_assertion_for_somebody_else(node: Getting) -> None:
    """Its own client's token, say, which has rights of governd's and is no user's."""
    node.corp.claims["sub"] = GOVERND
    assert (await refused(node, "hr", node.login()))["rule"] == "subject"


async def test_a_server_may_have_names_of_its_own_for_whom_governd_vouches(node: Getting) -> None:
    node.corp.claims["sub"] = "7f3c"
    await node.rewrite(**{'grant = "jwt-bearer"\n': 'grant = "jwt-bearer"\nrenames_users = true\n'})
    assert claims((await node.get("hr", node.login())).token)["sub"] == "7f3c"


async def test_only_what_governd_vouches_for_itself_takes_acting_as_tokens(node: Getting) -> None:
    user, actors = User(IDP, "alice"), (SpiffeId.parse(PLANNER), SpiffeId.parse(ROUTER))
    kinds, scopes = frozenset({EvidenceKind.ACTING_AS}), frozenset({"token:exchange:hr/*"})
    node.received["chain"] = Delegation(user, actors, kinds, node.time.wall + 120, scopes)
    shown = Shown(EvidenceKind.ACTING_AS, Secret(b"chain"))
    assert claims((await node.get("hr", shown)).token)["act"] == {"sub": PLANNER}
    for upstream in ("crm", "mail"):
        with pytest.raises(RequestError) as raised:
            await node.get(upstream, shown)
        assert raised.value.field == "evidence"


async def test_client_credentials_are_in_nobodys_name(node: Getting) -> None:
    handed = await node.get("jobs")
    assert handed.scopes == ("read", "write")
    assert node.asked == {"client-credentials": 1}
    assert node.records[-1]["user"] is None


@pytest.mark.parametrize(
    ("rule", "where", "change"),
    [
        ("audience", "claims", {"aud": "https://bank.example"}),
        ("audience", "claims", {"aud": ["https://crm.example/mcp", "https://bank.example"]}),
        ("issuer", "claims", {"iss": IDP}),
        ("act_missing", "claims", {"act": None}),
        ("act", "claims", {"act": {"sub": ROUTER}}),
        ("act", "claims", {"act": {"sub": PLANNER, "iss": "https://evil.example"}}),
        ("client", "claims", {"client_id": "another"}),
        ("scope_widened", "claims", {"scope": "read write admin"}),
        ("scope_widened", "reply", {"scope": "read write admin"}),
        ("expiry", "claims", {"exp": None}),
        ("lifetime", "reply", {"expires_in": 10}),
        ("bound", "reply", {"token_type": "DPoP"}),
        ("bound", "claims", {"cnf": {"jkt": "x"}}),
        ("type", "header", {"typ": "oauth-id-jag+jwt"}),
        ("type", "claims", {"nonce": "n"}),
        ("token_type", "reply", {"issued_token_type": None}),
    ],
)
async def test_attack_a_token_that_is_not_what_was_asked_for_is_nobodys(
    node: Getting, rule: str, where: str, change: dict[str, object]
) -> None:
    getattr(node.corp, where).update(change)
    assert (await refused(node, "crm", node.login()))["rule"] == rule
    assert node.told[0] == "crm not issued: TokenRefusedError"


async def test_attack_the_users_own_token_comes_back(node: Getting) -> None:
    login = node.login()
    node.corp.reply["access_token"] = login.token.reveal().decode()
    assert (await refused(node, "crm", login))["rule"] == "type"


async def test_attack_a_token_of_another_user() -> None:
    node = await Getting(manifest=SERVERS + UPSTREAM.format("idp")).open()
    assert claims((await node.get("crm", node.login())).token)["sub"] == "alice"
    node.idp.claims["sub"] = "carol"
    assert (await refused(node, "crm", node.login(nonce="another")))["rule"] == "subject"


async def test_what_a_server_says_when_it_refuses_is_told_by_its_code_alone(node: Getting) -> None:
    node.corp.targets = {"https://bank.example"}
    facts = await refused(node, "crm", node.login())
    assert facts == {
        "rule": "refused",
        "error": "invalid_target",
        "upstream": "crm",
        "authorization_server": "corp",
    }


async def test_a_refusal_is_told_even_if_it_cannot_be_put_on_record(
    node: Getting, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, calls = node.log.append, list[int]()

    async def once(records: list[bytes]) -> None:
        calls.append(1)
        node.log.full = len(calls) > 1
        await append(records)

    monkeypatch.setattr(node.log, "append", once)
    node.corp.claims["act"] = None
    with pytest.raises(TokenRefusedError):
        await node.get("crm", node.login())
    assert len(calls) == 2


async def test_opaque_tokens_are_taken_only_where_the_policy_source_says_so(node: Getting) -> None:
    node.corp.opaque = True
    assert (await refused(node, "plain", node.login()))["rule"] == "malformed"
    await node.rewrite(
        **{'actor = "unsafe_none"\n': 'actor = "unsafe_none"\ntoken_format = "opaque"\n'}
    )
    handed = await node.get("plain", node.login())
    assert b"." not in handed.token.reveal()


async def test_a_workload_whose_channel_alone_says_who_it_is_acts_for_nobody(
    node: Getting,
) -> None:
    node._held.clear()
    with pytest.raises(IdentityError, match="channel"):
        await node.get("crm", node.login())
    assert await node.get("plain", node.login())
