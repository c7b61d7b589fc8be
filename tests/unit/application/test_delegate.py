"""No token without a permit for exactly it, none that says more, none that is not on record."""

import json
from dataclasses import replace
from typing import Any

import pytest

from governd.application.delegate import Issued
from governd.delegation.acting_as import Attested
from governd.delegation.binding import BindingLevel, body_digest, request_binding
from governd.delegation.details import ToolDetail
from governd.delegation.evidence_faults import EvidenceError, EvidenceUnavailableError
from governd.delegation.revocations import Revocations
from governd.delegation.verification import Verified
from governd.errors import DecisionLogError, IdentityError, MintError, RequestError
from governd.identity.user import User
from governd.policy.delegated import EvidenceKind
from tests.delegations import DETAIL
from tests.fakes.delegating import CLIENT, IDP, MAY_MINT, SIGNED_HERE, Delegating
from tests.fakes.forge import PLANNER, ROUTER, TOOLS, digest, workload
from tests.fakes.token_issuer import encode
from tests.policies import ALICE, SERVER

SCOPES = ("tools:call:git/open", "tools:call:git/read")
REQUEST = request_binding("POST", "https://router.example/a2a", body_digest(b"{}"))


ONLY_OPEN = f'["{SCOPES[0]}"].containsAll(context.delegation.scopes)'
WRITERS_RESET = """
@id("users-grant") forbid (principal, action == Action::"delegation/mint", resource)
  when { context has delegation && context.delegation.scopes.contains("tools:call:git/reset") }
  unless { context.delegation.granted.contains("git.write") };
"""


@pytest.fixture
async def node() -> Delegating:
    return await Delegating().open()


async def minted(node: Delegating, audience: str = ROUTER, **wanted: Any) -> Issued:
    return await node.mint(PLANNER, audience, **{"scopes": SCOPES, "details": [DETAIL], **wanted})


async def received(node: Delegating, **wanted: Any) -> Issued:
    """A token that the router has taken."""
    issued = await minted(node, request=REQUEST, **wanted)
    assert isinstance(await node.verify(ROUTER, issued, request=REQUEST), Verified)
    return issued


@pytest.mark.req("gi-3", part=True)
async def test_a_token_says_what_the_channel_the_evidence_and_the_request_say(
    node: Delegating,
) -> None:
    issued = await minted(node, request=REQUEST, transaction="workflow-7")
    token = issued.delegation.token
    assert (token.user, token.actors) == (User(IDP, "alice"), (workload(PLANNER),))
    assert (token.audience, token.issuer) == (workload(ROUTER), node.forge.signer.spiffe_id)
    assert (token.scopes, token.details, token.request) == (SCOPES, (DETAIL,), REQUEST)
    assert (token.transaction, token.max_depth) == ("workflow-7", 4)
    assert token.expires_at - token.issued_at == 120, "as long as policy lets them last"
    (seen,) = token.evidence
    assert (seen.issuer, seen.type.rpartition(":")[2]) == (IDP, "id_token")
    found = await node.verify(ROUTER, issued, request=REQUEST)
    assert isinstance(found, Verified)
    assert found.binding is BindingLevel.BODY


@pytest.mark.req("gi-3", part=True)
async def test_a_token_is_on_disk_with_its_decision_before_it_is_handed_out(
    node: Delegating,
) -> None:
    issued = await minted(node, request=REQUEST)
    assert node.log.durable == len(node.log.lines) == 2
    decision, record = node.records
    assert (decision["kind"], record["kind"]) == ("decision", "mint")
    assert decision["decision_id"] == record["decision_id"] == issued.decision_id
    assert decision["action"] == "delegation/mint"
    assert decision["resource"] == {"type": "agent", "id": ROUTER}
    assert decision["delegation"]["scopes"] == list(SCOPES)
    token = issued.delegation
    named = (record["digest"], record["token_id"], record["transaction"])
    assert named == (token.digest, token.token.token_id, token.token.transaction)
    assert record["user"] == {"issuer": IDP, "subject": "alice"}
    assert (record["binding"], record["rule"]) == (3, None)
    text = token.text.reveal().decode()
    assert text not in json.dumps(node.records)
    assert node.told == [("mint", "issued")]


@pytest.mark.parametrize("problem", ["full", "unsynced"])
async def test_what_cannot_be_put_on_disk_is_not_handed_out(node: Delegating, problem: str) -> None:
    setattr(node.log, problem, True)
    with pytest.raises(DecisionLogError) as raised:
        await minted(node)
    assert raised.value.retry_after == 1.0
    assert node.told == [("mint", "DecisionLogError")]


def access_token(node: Delegating, scope: str) -> str:
    """Alice's, for what ``scope`` says."""
    now = int(node.time.wall)
    claims = {"iss": IDP, "sub": "alice", "aud": CLIENT, "iat": now, "exp": now + 600}
    header = node.idp.header(typ="at+jwt")
    return node.idp.token(header, **claims, jti="at-1", client_id="app", scope=scope)


async def test_policy_is_asked_and_its_deny_is_on_record() -> None:
    node = await Delegating(policy="").open()
    with pytest.raises(MintError) as raised:
        await minted(node)
    (decision,) = node.records
    assert raised.value.metadata == {
        "rule": "NOT_PERMITTED",
        "decision_id": decision["decision_id"],
    }
    assert not decision["decision"]


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        (f'context.delegation.user == User::"{ALICE}"', {}),
        (f'context.delegation.scopes.contains("{SCOPES[0]}")', {}),
        ("context.delegation.binding >= 3", {"request": REQUEST}),
        ("context.delegation.depth == 1", {}),
        ('context.delegation.evidence.contains("id_token")', {}),
    ],
)
async def test_policy_sees_the_delegation_as_it_will_be(
    condition: str, wanted: dict[str, Any]
) -> None:
    text = MAY_MINT.replace(";\n", f" when {{ context has delegation && {condition} }};\n")
    issued = await minted(await Delegating(text).open(), **wanted)
    assert issued.delegation.token.depth == 1
    refusing = MAY_MINT.replace(";\n", f" unless {{ context has delegation && {condition} }};\n")
    with pytest.raises(MintError):
        await minted(await Delegating(refusing).open(), **wanted)


async def test_policy_sees_the_details_that_will_be_minted() -> None:
    text = MAY_MINT.replace(";\n", f" when {{ context has delegation && {ONLY_OPEN} }};\n")
    node = await Delegating(text).open()
    for tool, location, good in (
        ("open", SERVER, True),
        ("reset", SERVER, False),
        ("open", TOOLS, False),
    ):
        detail = ToolDetail(("call",), (location,), (tool,))
        if good:
            issued = await minted(node, scopes=(), details=[detail])
            assert issued.delegation.token.details == (detail,)
            continue
        with pytest.raises(MintError, match="policy does not permit"):
            await minted(node, scopes=(), details=[detail])


async def test_details_that_name_more_tools_than_policies_look_at_are_refused(
    node: Delegating,
) -> None:
    names = tuple(map(str, range(33)))
    with pytest.raises(RequestError) as raised:
        await minted(node, details=[ToolDetail(("call",), names, names)])
    assert raised.value.field == "delegation.details"
    assert not node.records


@pytest.mark.req("gi-3", part=True)
@pytest.mark.parametrize(
    ("scopes", "reason"),
    [
        (("git.read", "tools:call:git/open"), "mint"),
        (("tools:call:git/open",), "mint"),
        (("git.write",), "base/delegation-in-scope"),
        (("git.read", "tools:call:git/reset"), "users-grant"),
    ],
)
async def test_attack_a_token_that_says_more_than_the_users_access_token(
    scopes: tuple[str, ...], reason: str
) -> None:
    node = await Delegating(MAY_MINT + WRITERS_RESET).open()
    token = access_token(node, "openid git.read")
    try:
        found = await minted(node, token=token, kind=EvidenceKind.ACCESS_TOKEN, scopes=scopes)
    except MintError:
        assert reason != "mint"
    else:
        assert found.delegation.token.scopes == scopes
    decision = next(one for one in node.records if one["kind"] == "decision")
    assert decision["reasons"] == [reason]


@pytest.mark.req("gi-3", part=True)
async def test_a_chain_that_began_with_an_access_token_says_so_to_its_end(node: Delegating) -> None:
    token = access_token(node, "openid git.read")
    wanted: dict[str, Any] = {"scopes": ("git.read",), "details": (), "request": REQUEST}
    parent = await minted(node, token=token, kind=EvidenceKind.ACCESS_TOKEN, **wanted)
    await node.verify(ROUTER, parent, request=REQUEST)
    await node.extend(ROUTER, parent, TOOLS, scopes=("git.read",), request=REQUEST)
    decisions = [one for one in node.records if one["kind"] == "decision"]
    assert [one["delegation"]["evidence"] for one in decisions] == [
        ["access_token"],
        ["access_token", "acting_as"],
    ]


async def test_a_permit_with_an_obligation_mints_nothing() -> None:
    node = await Delegating(MAY_MINT.replace("permit", '@obligation("step-up") permit')).open()
    with pytest.raises(MintError, match="obligations"):
        await minted(node)


async def test_an_audience_that_is_an_mcp_server_is_asked_about_as_that() -> None:
    text = MAY_MINT.replace("resource)", 'resource == McpServer::"git")')
    node = await Delegating(text).open()
    assert (await minted(node, SERVER)).delegation.token.audience == workload(SERVER)
    assert node.records[0]["resource"] == {"type": "mcp_server", "id": "git"}
    with pytest.raises(MintError):
        await minted(node, ROUTER)


async def test_where_the_audience_is_several_servers_one_deny_denies() -> None:
    node = Delegating(MAY_MINT.replace("resource)", 'resource == McpServer::"git")'))
    files = node.policies._source.files  # type: ignore[union-attr]
    other = json.loads(files["tools/git.json"]) | {"server": "hub"}
    node.policies._source.put("tools/hub.json", json.dumps(other).encode())  # type: ignore[union-attr]
    await node.open()
    with pytest.raises(MintError, match="policy does not permit"):
        await minted(node, SERVER)
    assert [one["decision"] for one in node.records] == [True, False]


async def test_no_policy_mints_nothing() -> None:
    node = Delegating()
    node.policies._source.away = True  # type: ignore[union-attr]
    with pytest.raises(EvidenceUnavailableError):
        await minted(await node.open())


@pytest.mark.req("gi-3", part=True)
async def test_attack_a_chain_that_begins_anew_from_a_token_that_was_received(
    node: Delegating,
) -> None:
    text = (await minted(node)).delegation.text.reveal().decode()
    with pytest.raises(RequestError, match="Extend"):
        await node.mint(ROUTER, TOOLS, text, kind=EvidenceKind.ACTING_AS)
    with pytest.raises(EvidenceError):
        await node.mint(ROUTER, TOOLS, text)


async def test_attack_evidence_that_does_not_hold(node: Delegating) -> None:
    for changes in ({"aud": "another-app"}, {"iss": "https://evil.example"}):
        with pytest.raises(EvidenceError):
            await minted(node, token=node.id_token(**changes))
    assert not node.records
    assert node.told == [("mint", "EvidenceError")] * 2


@pytest.mark.req("gi-3", part=True)
async def test_a_token_never_outlives_what_it_rests_on(node: Delegating) -> None:
    now = int(node.time.wall)
    short = await minted(node, token=node.id_token(exp=now + 30))
    assert short.delegation.token.expires_at == now + 30
    for exp in (now, now - 30):  # holds within the skew, and nothing rests on it any more
        with pytest.raises(EvidenceError, match="has ended"):
            await minted(node, token=node.id_token(exp=exp))
    await node.time.advance(3600 - 40)  # the signer's certificate ends in 40 s
    assert (await minted(node)).delegation.token.expires_at == now + 3600


async def test_lifetime_and_depth_are_cut_to_what_policy_says() -> None:
    rules = f"[delegation]\nlifetime_seconds = 60\nmax_depth = 2\n{SIGNED_HERE}"
    node = await Delegating(rules=rules).open()
    token = (await minted(node, lifetime_seconds=300, max_depth=8)).delegation.token
    assert (token.expires_at - token.issued_at, token.max_depth) == (60, 2)
    token = (await minted(node, lifetime_seconds=10, max_depth=1)).delegation.token
    assert (token.expires_at - token.issued_at, token.max_depth) == (10, 1)


async def test_nobody_signs_while_there_is_no_identity(node: Delegating) -> None:
    node.signer = None
    with pytest.raises(IdentityError):
        await minted(node)
    assert not node.records, "policy is not asked in vain"


async def test_how_well_the_agent_is_attested_goes_into_the_token(node: Delegating) -> None:
    parent = await received(node)
    assert parent.delegation.token.kya is None
    node.attested = Attested(3, encode(bytes(16)), digest(b"attestation"))
    known = await received(node)
    assert known.delegation.token.kya == node.attested
    node.attested = replace(node.attested, level=2)
    child = await node.extend(ROUTER, known, TOOLS)
    assert child.delegation.token.kya_level == 2
    assert (await node.extend(ROUTER, parent, TOOLS)).delegation.token.kya_level == 0
    assert [one["delegation"]["kya_level"] for one in node.records if "decision" in one] == [
        *(0, 3, 2, 0),
    ]


@pytest.mark.req("gi-3", part=True)
async def test_a_token_is_extended_by_its_audience_for_the_same_user(node: Delegating) -> None:
    parent = await received(node)
    child = await node.extend(ROUTER, parent, TOOLS, scopes=SCOPES[:1])
    token = child.delegation.token
    assert (token.user, token.actors) == (User(IDP, "alice"), (workload(ROUTER), workload(PLANNER)))
    assert token.transaction == parent.delegation.token.transaction
    assert (token.parent, token.scopes) == (parent.delegation.digest, SCOPES[:1])
    record = node.records[-1]
    assert (record["kind"], record["parent"]) == ("extend", parent.delegation.digest)
    assert node.log.durable == len(node.log.lines)
    found = await node.verify(TOOLS, child, peer=ROUTER, least=BindingLevel.CALLER)
    assert not isinstance(found, Verified), "not tied to a request, as policy demands"


@pytest.mark.req("gi-3", part=True)
@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("SCOPE_WIDENED", {"scopes": ("tools:call:git/reset",)}),
        ("DETAILS_WIDENED", {"details": [replace(DETAIL, tools=("delete",))]}),
        ("DEPTH_RAISED", {"max_depth": 5}),
        ("DEPTH_EXCEEDED", {"max_depth": 1}),
    ],
)
async def test_attack_a_token_that_would_say_more_is_refused_and_on_record(
    node: Delegating, rule: str, wanted: dict[str, Any]
) -> None:
    parent = await received(node)
    with pytest.raises(MintError) as raised:
        await node.extend(ROUTER, parent, TOOLS, **wanted)
    assert raised.value.metadata["rule"] == rule
    record = node.records[-1]
    assert (record["kind"], record["rule"], record["audience"]) == ("extend", rule, TOOLS)


@pytest.mark.req("gi-3", part=True)
async def test_attack_a_token_extended_by_somebody_else(node: Delegating) -> None:
    parent = await minted(node)
    with pytest.raises(EvidenceError) as raised:
        await node.extend(TOOLS, parent, ROUTER)
    assert raised.value.metadata["rejection"] == "AUDIENCE"
    assert raised.value.field == "parent_token"


async def test_attack_a_loop(node: Delegating) -> None:
    child = await node.extend(ROUTER, await received(node), PLANNER, request=REQUEST)
    assert isinstance(await node.verify(PLANNER, child, ROUTER, request=REQUEST), Verified)
    with pytest.raises(MintError) as raised:
        await node.extend(PLANNER, child, TOOLS)
    assert raised.value.metadata["rule"] == "LOOP"


async def test_a_parent_that_ended_is_extended_no_more(node: Delegating) -> None:
    parent = await received(node)
    await node.time.advance(119)
    child = await node.extend(ROUTER, parent, TOOLS)
    assert child.delegation.token.expires_at == parent.delegation.token.expires_at
    await node.time.advance(1)
    with pytest.raises(MintError) as raised:
        await node.extend(ROUTER, parent, TOOLS)
    assert raised.value.metadata["rule"] == "EVIDENCE_EXPIRED"


async def test_a_revoked_parent_is_extended_no_more(node: Delegating) -> None:
    parent = await received(node, transaction="workflow-7")
    node.revocations = Revocations(transactions=frozenset({"workflow-7"}))
    with pytest.raises(EvidenceError) as raised:
        await node.extend(ROUTER, parent, TOOLS)
    assert raised.value.metadata["rejection"] == "REVOKED"


@pytest.mark.req("gi-3", part=True)
@pytest.mark.parametrize("what", ["transaction", "token"])
async def test_what_is_revoked_while_it_is_put_on_record_is_not_handed_out(
    node: Delegating, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    parent = (await received(node)).delegation
    ended = {
        "transaction": Revocations(transactions=frozenset({parent.token.transaction})),
        "token": Revocations(tokens=frozenset({parent.token.token_id})),
    }
    durably = node.log.append_durably

    async def meanwhile(records: list[bytes]) -> None:
        await durably(records)
        node.revocations = ended[what]

    monkeypatch.setattr(node.log, "append_durably", meanwhile)
    with pytest.raises(EvidenceError) as raised:
        await node.extend(ROUTER, parent.text.reveal().decode(), TOOLS)
    assert raised.value.metadata["rejection"] == "REVOKED"
    signed, refused = node.records[-2:]
    assert (signed["kind"], signed["rule"]) == ("extend", None)
    assert (refused["kind"], refused["rule"]) == ("extend", "REVOKED")
    assert node.told[-1] == ("extend", "EvidenceError")


async def test_what_a_user_gave_ends_while_its_token_is_put_on_record(
    node: Delegating, monkeypatch: pytest.MonkeyPatch
) -> None:
    durably = node.log.append_durably

    async def meanwhile(records: list[bytes]) -> None:
        await durably(records)
        node.revocations = Revocations(users=frozenset({User(IDP, "alice")}))

    monkeypatch.setattr(node.log, "append_durably", meanwhile)
    with pytest.raises(EvidenceError) as raised:
        await minted(node)
    assert raised.value.field == "evidence"


@pytest.mark.req("gi-3", part=True)
async def test_attack_a_token_that_was_never_taken_is_extended(node: Delegating) -> None:
    parent = await minted(node, request=REQUEST)
    for _ in range(2):
        with pytest.raises(EvidenceError, match="Verify") as raised:
            await node.extend(ROUTER, parent, TOOLS)
        assert raised.value.field == "parent_token"
        await node.verify(ROUTER, parent, peer=TOOLS, request=REQUEST)  # is not the actor
    assert isinstance(await node.verify(ROUTER, parent, request=REQUEST), Verified)
    await node.extend(ROUTER, parent, TOOLS)


@pytest.mark.req("gi-3", part=True)
async def test_attack_a_tie_that_is_tightened_by_extending() -> None:
    node = await Delegating(rules=f"[delegation]\nmin_binding = 1\n{SIGNED_HERE}").open()
    parent = await minted(node)
    assert isinstance(await node.verify(ROUTER, parent), Verified)
    await node.extend(ROUTER, parent, TOOLS)
    source: Any = node.policies._source
    more = source.files["manifest.toml"].replace(b"min_binding = 1", b"min_binding = 2")
    source.put("manifest.toml", more)
    await node.policies.check()
    with pytest.raises(EvidenceError, match="tied too little"):
        await node.extend(ROUTER, parent, TOOLS)


@pytest.mark.req("gi-3", part=True)
async def test_nobody_mints_or_extends_towards_itself(node: Delegating) -> None:
    with pytest.raises(MintError) as raised:
        await minted(node, PLANNER)
    assert raised.value.metadata["rule"] == node.records[-1]["rule"] == "OWN_AUDIENCE"
    parent = await received(node)
    with pytest.raises(MintError) as raised:
        await node.extend(ROUTER, parent, ROUTER)
    assert raised.value.metadata["rule"] == node.records[-1]["rule"] == "OWN_AUDIENCE"


async def test_a_refusal_is_told_even_if_it_cannot_be_put_on_record(
    node: Delegating, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = await received(node)
    append, calls = node.log.append, list[int]()

    async def once(records: list[bytes]) -> None:
        calls.append(1)
        node.log.full = len(calls) > 1
        await append(records)

    monkeypatch.setattr(node.log, "append", once)
    with pytest.raises(MintError, match="scopes"):
        await node.extend(ROUTER, parent, TOOLS, scopes=("more",))
    assert len(calls) == 2


async def test_nothing_is_taken_from_whom_nobody_trusts_now(node: Delegating) -> None:
    parent = await minted(node)
    other = await Delegating().open()
    await node.trust({"example.org": other.forge.authority.bundle})
    with pytest.raises(EvidenceError) as raised:
        await node.extend(ROUTER, parent, TOOLS)
    assert raised.value.metadata["rejection"] == "SIGNER"
    await node.trust({})
    with pytest.raises(EvidenceUnavailableError):
        await node.extend(ROUTER, parent, TOOLS)
