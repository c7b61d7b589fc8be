"""A user's token becomes a chain of agents on a running daemon, and nothing else does."""

import itertools
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from governd._proto.governd.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    delegation_service_pb2,
    policy_service_pb2,
    policy_service_pb2_grpc,
    tool_service_pb2,
    tool_service_pb2_grpc,
    types_pb2,
)
from tests.fakes.delegating import IDP
from tests.fakes.forge import with_twin_signature
from tests.fakes.token_issuer import TokenIssuer
from tests.integration.daemon_process import DaemonProcess, StartGovernd, prepare
from tests.integration.delegating import (
    AGENTS,
    GIT,
    PLANNER,
    REQUEST,
    ROUTER,
    WORKLOADS,
    Workload,
    claims_of,
    id_token,
    told,
    write_policy,
)

SCOPES = ["tools:call:git/open", "tools:call:git/reset"]


class Node:
    """A daemon, its three workloads, and who knows the user."""

    def __init__(self, daemon: DaemonProcess, idp: TokenIssuer) -> None:
        self.daemon, self.idp = daemon, idp
        self.planner, self.router, self.git = (Workload(daemon, name) for name in WORKLOADS)

    def id_token(self, **changes: object) -> str:
        return id_token(self.idp, **changes)

    def mint(self, audience: str = ROUTER, **wanted: Any) -> delegation_service_pb2.Delegation:
        wanted = {"scopes": SCOPES, "request": REQUEST, **wanted}
        return self.planner.mint(audience, self.id_token(), **wanted)

    def received(self, **wanted: Any) -> str:
        """A token that the router has taken."""
        token = self.mint(**wanted).token
        assert self.router.verify(token, PLANNER).HasField("verified")
        return token

    def close(self) -> None:
        for one in (self.planner, self.router, self.git):
            one.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One daemon for all tests that do not change it."""
    folder, idp = tmp_path_factory.mktemp("delegation"), TokenIssuer()
    daemon = prepare(folder / "governd", "", WORKLOADS, write_policy(folder / "policy", idp))
    daemon.start()
    node = Node(daemon, idp)
    try:
        yield node
        node.close()
        assert daemon.stop() == 0
    finally:
        daemon.kill()


@pytest.mark.req("gi-3", part=True)
def test_a_user_s_token_becomes_a_chain_through_two_agents_to_a_server(node: Node) -> None:
    first = node.mint()
    taken = node.router.verify(first.token, PLANNER).verified
    assert (taken.user, taken.user_issuer, list(taken.actors)) == ("alice", IDP, [PLANNER])
    assert taken.binding == delegation_service_pb2.BINDING_LEVEL_BODY
    asked = node.router.evaluate(
        "agent/invoke", f"agent:{ROUTER}", PLANNER, acting_as_token=first.token
    )
    assert asked.decision
    second = node.router.extend(first.token, GIT, scopes=SCOPES[:1], request=REQUEST)
    taken = node.git.verify(second.token, ROUTER).verified
    assert list(taken.actors) == [ROUTER, PLANNER]
    assert (taken.transaction, list(taken.scopes)) == (first.transaction, SCOPES[:1])
    called = node.git.evaluate("tools/call", "tool:git/open", ROUTER, acting_as_token=second.token)
    assert called.decision
    outside = node.git.evaluate(
        "tools/call", "tool:git/reset", ROUTER, acting_as_token=second.token
    )
    assert list(outside.reasons) == ["base/delegation-in-scope"]
    kinds = [one["kind"] for one in node.daemon.decisions()]
    assert [kind for kind in kinds if kind != "decision"][-4:] == [
        *("mint", "verify", "extend", "verify"),
    ]
    assert node.daemon.decisions()[-1]["delegation"]["user"]["subject"] == "alice"


def test_a_token_comes_ready_to_be_sent(node: Node) -> None:
    issued = node.mint()
    assert dict(issued.headers) == {"Acting-As-Token": issued.token}
    meta = json.loads(issued.mcp_meta_json)
    assert meta == {"io.governd/acting-as-token": issued.token}
    a2a = json.loads(issued.a2a_metadata_json)
    assert a2a == {"https://governd.io/ext/acting-as/v1": {"token": issued.token}}
    claims = claims_of(issued.token)
    assert (claims["jti"], claims["txn"]) == (issued.token_id, issued.transaction)
    assert claims["exp"] == issued.expires_at.seconds
    assert claims["iss"].startswith("spiffe://example.org/governd/signer/")


@pytest.mark.req("gi-3", part=True)
def test_no_token_is_in_the_log_or_on_record(node: Node) -> None:
    issued, evidence = node.mint(), node.id_token()
    node.router.verify(issued.token, PLANNER)
    written = node.daemon.decision_log.read_text("utf-8") + node.daemon.stderr_file.read_text()
    for token in (issued.token, evidence):
        for part in token.split("."):
            assert part not in written


@pytest.mark.req("gi-3", part=True)
def test_attack_a_token_used_twice_at_once(node: Node) -> None:
    token = node.mint().token
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: node.router.verify(token, PLANNER), range(8)))
    assert sum(one.HasField("verified") for one in answers) == 1
    reasons = {one.rejected for one in answers if not one.HasField("verified")}
    assert reasons == {delegation_service_pb2.REJECTION_REASON_REPLAYED}


@pytest.mark.req("gi-3", part=True)
def test_attack_tokens_that_are_not_for_this(node: Node) -> None:
    token = node.mint().token
    assert node.git.rejected(token, PLANNER) == "AUDIENCE"
    assert node.router.rejected(token, GIT) == "CALLER"
    other = delegation_service_pb2.RequestBinding(method="POST", uri="https://git.example/mcp")
    assert node.router.rejected(token, PLANNER, request=other) == "REQUEST_URI"
    without = {"request": None}
    assert node.router.rejected(token, PLANNER, **without) == "REQUEST_METHOD"
    loose = node.mint(request=None).token
    assert node.router.rejected(loose, PLANNER) == "BINDING_TOO_WEAK"
    assert node.router.rejected("a.b", PLANNER) == "FORM"
    assert node.router.verify(token, PLANNER).HasField("verified"), "nothing used it up"


@pytest.mark.req("gi-3", part=True)
def test_attack_forged_tokens(node: Node) -> None:
    token = node.mint().token
    header, payload, signature = token.split(".")
    for place in range(0, len(token), 97):
        letter = "A" if token[place] != "A" else "B"
        forged = token[:place] + letter + token[place + 1 :]
        if forged.split(".")[:2] != [header, payload] or place < len(token) - 2:
            assert node.router.rejected(forged, PLANNER)
    other = node.mint(scopes=[]).token.split(".")
    assert node.router.rejected(f"{header}.{other[1]}.{signature}", PLANNER) == "SIGNATURE"
    assert node.router.verify(token, PLANNER).HasField("verified")


@pytest.mark.req("gi-3", part=True)
@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("SCOPE_WIDENED", {"scopes": ["tools:call:git/*"]}),
        (
            "DETAILS_WIDENED",
            {
                "authorization_details_json": b'[{"type":"mcp_tool","actions":["call"],'
                b'"locations":["spiffe://example.org/mcp/git"],"tools":["reset"]}]'
            },
        ),
        ("DEPTH_RAISED", {"max_depth": 8}),
    ],
)
def test_attack_a_token_that_is_widened(node: Node, rule: str, wanted: dict[str, Any]) -> None:
    parent = node.received()
    with pytest.raises(grpc.RpcError) as raised:
        node.router.extend(parent, GIT, **wanted)
    assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED
    reason, facts = told(raised.value)
    assert (reason, facts["rule"]) == ("MINT_REFUSED", rule)
    assert node.daemon.decisions()[-1]["rule"] == rule


@pytest.mark.req("gi-3", part=True)
def test_attack_a_token_that_somebody_else_extends(node: Node) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        node.git.extend(node.mint().token, ROUTER)
    reason, facts = told(raised.value)
    assert (reason, facts["rejection"]) == ("EVIDENCE_INVALID", "AUDIENCE")


@pytest.mark.req("gi-3", part=True)
def test_attack_a_token_that_its_audience_must_not_take_is_extended(node: Node) -> None:
    loose, stolen = node.mint(request=None).token, node.mint().token
    assert node.router.rejected(loose, PLANNER) == "BINDING_TOO_WEAK"
    assert node.router.rejected(stolen, GIT) == "CALLER", "the thief is not the actor"
    for token in (loose, stolen):
        with pytest.raises(grpc.RpcError) as raised:
            node.router.extend(token, GIT, scopes=SCOPES[:1], request=REQUEST)
        reason, facts = told(raised.value)
        assert (reason, facts["field"]) == ("EVIDENCE_INVALID", "parent_token")


@pytest.mark.req("gi-3", part=True)
def test_a_child_names_a_parent_that_is_on_record_whichever_signature_came(node: Node) -> None:
    parent = node.mint()
    twin = with_twin_signature(parent.token)
    assert node.router.verify(twin, PLANNER).HasField("verified")
    assert node.router.rejected(parent.token, PLANNER) == "REPLAYED"
    child = node.router.extend(twin, GIT, scopes=SCOPES[:1], request=REQUEST).token
    lines = [one for one in node.daemon.decisions() if one.get("token_id") == parent.token_id]
    assert [one["kind"] for one in lines] == ["mint", "verify"]
    assert {one["digest"] for one in lines} == {claims_of(child)["pth"]}


@pytest.mark.req("gi-3", part=True)
def test_a_workload_does_not_mint_for_itself(node: Node) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        node.mint(PLANNER)
    reason, facts = told(raised.value)
    assert (reason, facts["rule"]) == ("MINT_REFUSED", "OWN_AUDIENCE")


@pytest.mark.req("gi-3", part=True)
def test_a_parent_that_ended_is_extended_no_more(node: Node) -> None:
    parent = node.received(lifetime={"seconds": 2})
    with pytest.raises(grpc.RpcError) as raised:
        extend_until_refused(node, parent)
    reason, facts = told(raised.value)
    assert (reason, facts["rule"]) == ("MINT_REFUSED", "EVIDENCE_EXPIRED")


@pytest.mark.req("gi-3", part=True)
@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("EVIDENCE_INVALID", {"aud": "another-app"}),
        ("EVIDENCE_INVALID", {"iss": "https://evil.example"}),
        ("EVIDENCE_INVALID", {"exp": 1_700_000_000, "iat": 1_699_999_000}),
    ],
)
def test_attack_evidence_that_does_not_hold(
    node: Node, reason: str, changes: dict[str, object]
) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        node.planner.mint(ROUTER, node.id_token(**changes))
    assert told(raised.value)[0] == reason


def test_policy_says_for_whom_is_minted(node: Node) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        node.mint(f"{AGENTS}/elsewhere")
    reason, facts = told(raised.value)
    assert (reason, facts["rule"]) == ("MINT_REFUSED", "NOT_PERMITTED")
    assert node.daemon.decisions()[-1]["decision_id"] == facts["decision_id"]


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("audience", {"audience": "https://router.example"}),
        ("lifetime", {"lifetime": {"seconds": 301}}),
        ("max_depth", {"max_depth": 9}),
        ("scopes", {"scopes": ["a b"]}),
        ("transaction", {"transaction": "x" * 129}),
        ("authorization_details_json", {"authorization_details_json": b"{}"}),
    ],
)
def test_a_malformed_request_names_its_field(
    node: Node, field: str, wanted: dict[str, Any]
) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        node.mint(**wanted)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert told(raised.value)[1]["field"] == field


@pytest.mark.req("gi-3", part=True)
def test_a_destructive_call_needs_a_token_that_is_tied_to_the_body(node: Node) -> None:
    loose = delegation_service_pb2.RequestBinding(method=REQUEST.method, uri=REQUEST.uri)
    for request, allowed in ((REQUEST, True), (loose, False)):
        token = node.mint(GIT, request=request).token
        assert node.git.verify(token, PLANNER).HasField("verified")
        answer = node.git.evaluate("tools/call", "tool:git/reset", PLANNER, acting_as_token=token)
        assert answer.decision is allowed
        if not allowed:
            assert list(answer.reasons) == ["base/destructive-needs-binding"]


@pytest.mark.req("gi-3", part=True)
def test_attack_evidence_that_was_never_taken(node: Node) -> None:
    token = node.mint(GIT).token
    with pytest.raises(grpc.RpcError) as raised:
        node.git.evaluate("tools/call", "tool:git/open", PLANNER, acting_as_token=token)
    assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert told(raised.value)[0] == "EVIDENCE_INVALID"


def test_a_user_s_own_token_is_evidence_of_the_agent_that_shows_it_alone(node: Node) -> None:
    token = node.id_token()
    assert node.planner.evaluate("tools/call", "tool:git/open", id_token=token).decision
    assert not node.planner.evaluate(
        "tools/call", "tool:git/open", id_token=node.id_token(sub="bob")
    ).decision
    with pytest.raises(grpc.RpcError) as raised:
        node.git.evaluate("tools/call", "tool:git/open", PLANNER, id_token=token)
    assert told(raised.value)[1]["field"] == "context.evidence"


def test_evidence_counts_in_batches_streams_and_lists(node: Node) -> None:
    evidence = types_pb2.Evidence(id_token=node.id_token())
    asked = policy_service_pb2.EvaluateRequest(
        action=types_pb2.Action(name="tools/call"),
        resource=types_pb2.Resource(type="tool", id="git/open"),
        context=types_pb2.Context(evidence=evidence),
    )
    plain = policy_service_pb2.EvaluateRequest(action=asked.action, resource=asked.resource)
    bad = policy_service_pb2.EvaluateRequest(
        action=asked.action,
        resource=asked.resource,
        context=types_pb2.Context(evidence=types_pb2.Evidence(id_token="a.b.c")),
    )
    with grpc.insecure_channel(node.daemon.target("planner")) as channel:
        policy = policy_service_pb2_grpc.PolicyServiceStub(channel)
        batch = policy_service_pb2.EvaluateBatchRequest(evaluations=[asked, plain, bad])
        answers = policy.EvaluateBatch(batch, timeout=10).evaluations
        assert [one.decision for one in answers] == [True, False, False]
        assert answers[2].error.code == grpc.StatusCode.PERMISSION_DENIED.value[0]
        questions = [
            policy_service_pb2.StreamedQuestion(correlation_id=number, request=one)
            for number, one in enumerate((asked, plain))
        ]
        stream = policy.EvaluateStream(
            iter([policy_service_pb2.EvaluateStreamRequest(questions=questions)]), timeout=10
        )
        assert [one.evaluation.decision for one in next(stream).answers] == [True, False]
        tools = tool_service_pb2_grpc.ToolServiceStub(channel)
        listed = [tool_service_pb2.ListedDefinition(name=name) for name in ("open", "read")]
        shown = [
            list(
                tools.FilterTools(
                    tool_service_pb2.FilterToolsRequest(
                        server="git",
                        kind=tool_service_pb2.DEFINITION_KIND_TOOL,
                        definitions=listed,
                        evidence=one,
                    ),
                    timeout=10,
                ).shown
            )
            for one in (evidence, None)
        ]
        assert shown == [[0], []]
        services = ProtoReflectionDescriptorDatabase(channel).get_services()
        assert "governd.v1.DelegationService" in services


@pytest.mark.req("gi-3", part=True)
def test_what_is_revoked_ends_at_once_and_stays_so_after_a_restart(
    governd: StartGovernd, tmp_path: Path
) -> None:
    idp = TokenIssuer()
    daemon = governd(listeners=WORKLOADS, policy=write_policy(tmp_path / "policy", idp))
    node = Node(daemon, idp)
    chain, token, held = node.mint(), node.mint(), node.mint()
    assert node.router.verify(held.token, PLANNER).HasField("verified")
    revoke(daemon, transaction=chain.transaction)
    revoke(daemon, token_id=token.token_id)
    assert node.router.rejected(chain.token, PLANNER) == "REVOKED"
    assert node.router.rejected(token.token, PLANNER) == "REVOKED"
    assert invoked(node, held.token)
    revoke(daemon, user=f"{IDP}#alice")
    with pytest.raises(grpc.RpcError) as raised:
        invoked(node, held.token)
    assert told(raised.value)[1]["rejection"] == "REVOKED"
    with pytest.raises(grpc.RpcError) as raised:
        node.mint()
    assert told(raised.value)[1]["rule"] == "FORBIDDEN"
    node.close()
    assert daemon.stop() == 0
    daemon.start()
    node = Node(daemon, idp)
    with pytest.raises(grpc.RpcError) as raised:
        node.mint()
    assert told(raised.value)[1]["rule"] == "FORBIDDEN"
    bob = node.planner.mint(ROUTER, node.id_token(sub="bob"), request=REQUEST)
    assert node.router.verify(bob.token, PLANNER).verified.user == "bob"
    assert node.router.rejected(held.token, PLANNER) == "SIGNER", "of the authority before"
    node.close()


def extend_until_refused(node: Node, parent: str) -> None:
    for _ in itertools.repeat(None, 100):
        node.router.extend(parent, GIT)
        time.sleep(0.05)


def invoked(node: Node, token: str) -> bool:
    return node.router.evaluate(
        "agent/invoke", f"agent:{ROUTER}", PLANNER, acting_as_token=token
    ).decision


def revoke(daemon: DaemonProcess, **what: str) -> None:
    with grpc.insecure_channel(daemon.target("admin")) as channel:
        stub = admin_service_pb2_grpc.AdminServiceStub(channel)
        revoked = admin_service_pb2.Revoked(**what)
        stub.Revoke(admin_service_pb2.RevokeRequest(revoked=revoked), timeout=10)
