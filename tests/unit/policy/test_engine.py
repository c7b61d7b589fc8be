"""Default deny, forbid wins, and whatever goes wrong is a deny that says why."""

from typing import Any

import cedarpy
import pytest

from governd.policy.decision import Decision, DecisionCode, Obligation, ShadowOutcome
from governd.policy.inquiry import LISTED
from tests.policies import (
    ACME,
    ALICE,
    BETA,
    OPEN,
    PERMIT_ALL,
    READER,
    SERVER,
    TENANTS,
    WRITER,
    acting,
    ask,
    compiled,
    server_file,
)

Code = DecisionCode


def permit(name: str, condition: str = "true", marks: str = "") -> str:
    return f'@id("{name}") {marks} permit (principal, action, resource) when {{ {condition} }};'


def forbid(name: str, condition: str = "true", marks: str = "") -> str:
    return permit(name, condition, marks).replace("permit", "forbid")


def on_open(effect: str, name: str, condition: str) -> str:
    """A policy about arguments names the tool."""
    scope = 'principal, action == Action::"tools/call:git/open", resource'
    return f'@id("{name}") {effect} ({scope}) when {{ {condition} }};'


# --- the base policy -----------------------------------------------------------------------

GRANTS = f"""
[[grant]]
agents = ["{READER}"]
capabilities = ["git:read"]
[[grant]]
agents = ["{WRITER}"]
capabilities = ["git:read", "git:write"]
"""
MAY_RESET = f'[[grant]]\nagents = ["{WRITER}"]\ndestructive = ["git/reset"]\n'


@pytest.mark.parametrize(
    ("subject", "resource", "code", "reasons"),
    [
        (READER, "tool:git/read", Code.PERMITTED, ("base/capabilities-cover",)),
        (WRITER, "tool:git/read", Code.PERMITTED, ("base/capabilities-cover",)),
        ("spiffe://example.org/agent/x", "tool:git/read", Code.NOT_PERMITTED, ()),
        (READER, "tool:git/reset", Code.FORBIDDEN, ("base/destructive-needs-grant",)),
        (WRITER, "tool:git/reset", Code.FORBIDDEN, ("base/destructive-needs-grant",)),
        (WRITER, "tool:git/open", Code.NOT_PERMITTED, ()),
        (
            WRITER,
            "tool:git/bare",
            Code.FORBIDDEN,
            ("base/destructive-needs-grant", "base/undeclared-arguments"),
        ),
    ],
)
def test_a_call_needs_capabilities_and_a_destructive_one_more(
    subject: str, resource: str, code: Code, reasons: tuple[str, ...]
) -> None:
    decision = ask(compiled(grants=GRANTS), subject, resource=resource, arguments={"text": "x"})
    assert (decision.code, decision.reasons) == (code, reasons)


def test_a_destructive_tool_is_granted_by_name() -> None:
    policy = compiled(grants=GRANTS + MAY_RESET)
    assert ask(policy, resource="tool:git/reset").allowed
    assert not ask(policy, READER, resource="tool:git/reset").allowed


def test_undeclared_arguments_do_not_reach_a_destructive_tool() -> None:
    policy = compiled(grants=GRANTS + MAY_RESET)
    decision = ask(policy, resource="tool:git/reset", arguments={"hard": True})
    assert decision.reasons == ("base/undeclared-arguments",)
    harmless = ask(policy, resource="tool:git/read", arguments={"text": "x", "hard": True})
    assert harmless.allowed


@pytest.mark.parametrize(("subject", "allowed"), [(READER, True), (BETA, False)])
def test_who_may_call_something_sees_the_list(subject: str, allowed: bool) -> None:
    policy = compiled(grants=GRANTS)
    for action in ("tools/list", "resources/list", "resources/templates/list", "prompts/list"):
        assert ask(policy, subject, action, "mcp_server:git").allowed is allowed


@pytest.mark.parametrize(
    ("subject", "action", "resource"),
    [
        (WRITER, "tools/call", OPEN),
        (READER, "agent/invoke", f"agent:{WRITER}"),
        (WRITER, "agent/invoke", f"agent:{READER}"),
        (WRITER, "http/request", "external_service:api.example.org"),
    ],
)
def test_the_revoked_get_nothing_and_nothing_is_done_to_them(
    subject: str, action: str, resource: str
) -> None:
    revoked = compiled(PERMIT_ALL, manifest=f'[revoked]\nsubjects = ["{WRITER}"]\n')
    assert ask(compiled(PERMIT_ALL), subject, action, resource).allowed
    assert ask(revoked, subject, action, resource).reasons == ("base/revoked",)
    assert ask(revoked, READER).allowed


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("tools/call", OPEN),
        ("tools/list", "mcp_server:git"),
        ("resources/read", "resource:git/file:///x"),
        ("prompts/get", "prompt:git/hello"),
    ],
)
def test_nothing_of_a_revoked_server_is_used(action: str, resource: str) -> None:
    revoked = compiled(PERMIT_ALL, manifest=f'[revoked]\nsubjects = ["{SERVER}"]\n')
    assert ask(compiled(PERMIT_ALL), WRITER, action, resource).allowed
    assert ask(revoked, WRITER, action, resource).reasons == ("base/revoked",)


def test_a_group_may_be_revoked_by_name() -> None:
    entity = {
        "uid": {"type": "Agent", "id": WRITER},
        "parents": [{"type": "Group", "id": "revoked"}],
    }
    assert ask(compiled(PERMIT_ALL, entities=[entity])).reasons == ("base/revoked",)


# --- what nothing declares -----------------------------------------------------------------

UNKNOWN: dict[str, tuple[str, str, Code]] = {
    "an unknown action": ("tools/cal", OPEN, Code.UNKNOWN_ACTION),
    "an action in capitals": ("Tools/Call", OPEN, Code.UNKNOWN_ACTION),
    "an action with a trailing space": ("tools/call ", OPEN, Code.UNKNOWN_ACTION),
    "a tool's own action": ("tools/call:git/open", OPEN, Code.UNKNOWN_ACTION),
    "a tool's own action without a resource": ("tools/call:", OPEN, Code.UNKNOWN_ACTION),
    "an action with look-alike letters": ("tools/сall", OPEN, Code.UNKNOWN_ACTION),
    "an unknown tool": ("tools/call", "tool:git/opne", Code.UNKNOWN_RESOURCE),
    "a tool in capitals": ("tools/call", "tool:git/Open", Code.UNKNOWN_RESOURCE),
    "a tool with a trailing space": ("tools/call", "tool:git/open ", Code.UNKNOWN_RESOURCE),
    "a tool with a leading space": ("tools/call", "tool:git/ open", Code.UNKNOWN_RESOURCE),
    "a tool with look-alike letters": ("tools/call", "tool:git/оpen", Code.UNKNOWN_RESOURCE),
    "a tool in full-width letters": ("tools/call", "tool:git/ｏpen", Code.UNKNOWN_RESOURCE),
    "a tool with a joiner": ("tools/call", "tool:git/open\u200d", Code.UNKNOWN_RESOURCE),
    "a tool by its prefix": ("tools/call", "tool:git/ope", Code.UNKNOWN_RESOURCE),
    "a tool and more": ("tools/call", "tool:git/open2", Code.UNKNOWN_RESOURCE),
    "a tool with an extra slash": ("tools/call", "tool:git//open", Code.UNKNOWN_RESOURCE),
    "a tool with a slash behind": ("tools/call", "tool:git/open/", Code.UNKNOWN_RESOURCE),
    "a tool with a slash before": ("tools/call", "tool:/git/open", Code.UNKNOWN_RESOURCE),
    "a tool by the same folder": ("tools/call", "tool:git/./open", Code.UNKNOWN_RESOURCE),
    "a tool from the same folder": ("tools/call", "tool:./git/open", Code.UNKNOWN_RESOURCE),
    "a tool by the folder above": ("tools/call", "tool:git/../git/open", Code.UNKNOWN_RESOURCE),
    "an encoded slash": ("tools/call", "tool:git%2fopen", Code.UNKNOWN_RESOURCE),
    "a tool without its server": ("tools/call", "tool:open", Code.UNKNOWN_RESOURCE),
    "a server without a tool": ("tools/call", "tool:git/", Code.UNKNOWN_RESOURCE),
    "a server in capitals": ("tools/call", "tool:GIT/open", Code.UNKNOWN_RESOURCE),
    "an unknown server": ("tools/list", "mcp_server:gti", Code.UNKNOWN_RESOURCE),
    "an unknown server's resource": ("resources/read", "resource:gti/x", Code.UNKNOWN_RESOURCE),
    "a resource without a name": ("resources/read", "resource:git/", Code.UNKNOWN_RESOURCE),
    "a resource without a slash": ("resources/read", "resource:git", Code.UNKNOWN_RESOURCE),
    "Cedar's name for a type": ("tools/call", "Tool:git/open", Code.UNKNOWN_RESOURCE),
    "Cedar's name for an agent": ("agent/invoke", f"Agent:{WRITER}", Code.UNKNOWN_RESOURCE),
    "a type in capitals": ("tools/call", "TOOL:git/open", Code.UNKNOWN_RESOURCE),
    "an unknown type": ("tools/call", "robot:git/open", Code.UNKNOWN_RESOURCE),
    "an action for a type": ("tools/list", "Action:git", Code.UNKNOWN_RESOURCE),
    "a call of a server": ("tools/call", "mcp_server:git", Code.UNKNOWN_RESOURCE),
    "a list of a tool": ("tools/list", OPEN, Code.UNKNOWN_RESOURCE),
    "a list of an agent": ("tools/list", f"agent:{WRITER}", Code.UNKNOWN_RESOURCE),
    "a group of actions": ("list", "mcp_server:git", Code.UNKNOWN_RESOURCE),
    "a type that no action is for": ("http/request", "Group:x", Code.UNKNOWN_RESOURCE),
}


@pytest.mark.parametrize(("action", "resource", "code"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_what_nothing_declares_is_denied_even_if_all_is_permitted(
    action: str, resource: str, code: Code
) -> None:
    decision = ask(compiled(PERMIT_ALL), WRITER, action, resource)
    assert decision == Decision(code, hidden=action in LISTED)


def test_types_and_actions_of_the_extension_can_be_asked_about() -> None:
    schema = (
        "entity Repo; action push "
        "appliesTo { principal: [Agent], resource: [Repo], context: Circumstances };"
    )
    policy = compiled(PERMIT_ALL, schema=schema)
    assert ask(policy, WRITER, "push", "Repo:x").allowed
    assert ask(policy, WRITER, "push", OPEN).code is Code.UNKNOWN_RESOURCE


def test_a_resource_has_its_uri_and_its_server() -> None:
    text = (
        '@id("x") permit (principal, action, resource is Resource in McpServer::"git") '
        'when { resource.uri like "file:///srv/*" };'
    )
    policy = compiled(text)
    assert ask(policy, WRITER, "resources/read", "resource:git/file:///srv/a").allowed
    assert not ask(policy, WRITER, "resources/read", "resource:git/file:///etc/a").allowed


# --- how policies add up -------------------------------------------------------------------


def test_without_a_permit_everything_is_denied() -> None:
    assert ask(compiled()) == Decision(Code.NOT_PERMITTED, hidden=True)


def test_forbid_wins_over_any_number_of_permits() -> None:
    policy = compiled(permit("a") + permit("b") + forbid("no"))
    assert ask(policy) == Decision(Code.FORBIDDEN, ("no",), hidden=True)


def test_all_that_permit_are_named() -> None:
    assert ask(compiled(permit("b") + permit("a") + permit("c", "false"))).reasons == ("a", "b")


OVERFLOW = "context.args has count && context.args.count + 1 > 0"


@pytest.mark.parametrize("effect", ["permit", "forbid"])
def test_a_broken_policy_beside_a_permit_denies_and_is_named(effect: str) -> None:
    """Cedar skips a policy that fails, a forbid too."""
    policy = compiled(permit("all") + on_open(effect, "broken", OVERFLOW))
    decision = ask(policy, arguments={"count": 2**63 - 1})
    assert decision == Decision(Code.ENGINE_ERROR, ("broken",))
    assert ask(policy, arguments={"count": 1}).allowed is (effect == "permit")


def test_every_broken_policy_is_named() -> None:
    text = on_open("permit", "b", OVERFLOW) + on_open("forbid", "a", OVERFLOW) + forbid("no")
    decision = ask(compiled(text), arguments={"count": 2**63 - 1})
    assert decision == Decision(Code.ENGINE_ERROR, ("a", "b"), hidden=True)


def test_no_decision_is_a_deny(monkeypatch: pytest.MonkeyPatch) -> None:
    class Diagnostics:
        errors: tuple[str, ...] = ()
        reasons: tuple[str, ...] = ("all",)

    class Undecided:
        decision = cedarpy.Decision.NoDecision
        diagnostics = Diagnostics()
        allowed = True

    policy = compiled(PERMIT_ALL)
    monkeypatch.setattr(cedarpy, "is_authorized", lambda *_, **__: Undecided())
    assert ask(policy) == Decision(Code.ENGINE_ERROR)


# --- arguments -----------------------------------------------------------------------------

JUDGED: dict[str, tuple[str, dict[str, Any], bool]] = {
    "a string": ('context.args.text == "x"', {"text": "x"}, True),
    "another string": ('context.args.text == "x"', {"text": "X"}, False),
    "the largest integer": (
        "context.args.count == 9223372036854775807",
        {"count": 2**63 - 1},
        True,
    ),
    "integers as integers": ("context.args.count == 9007199254740993", {"count": 2**53}, False),
    "decimals": ('context.args.amount.lessThan(decimal("0.3"))', {"amount": 0.2999}, True),
    "decimals are exact": ('context.args.amount.lessThan(decimal("0.3"))', {"amount": 0.3}, False),
    "a list": ('context.args.tags.contains("x")', {"tags": ["y", "x"]}, True),
    "a nested one": ("context.args.nested.deep == 1", {"nested": {"deep": 1}}, True),
    "false": ("!context.args.flag", {"flag": False}, True),
}


@pytest.mark.parametrize(("condition", "arguments", "allowed"), JUDGED.values(), ids=JUDGED.keys())
def test_policies_judge_arguments(condition: str, arguments: dict[str, Any], allowed: bool) -> None:
    name = next(iter(arguments))
    inner = " && context.args.nested has deep" if name == "nested" else ""
    policy = compiled(on_open("permit", "x", f"context.args has {name}{inner} && {condition}"))
    assert ask(policy, arguments=arguments).allowed is allowed


@pytest.mark.parametrize(
    "arguments",
    [{"text": 1}, {"count": "1"}, {"count": True}, {"count": 1.5}, {"tags": "x"}, {"nested": []}],
    ids=str,
)
def test_an_argument_of_another_type_is_denied(arguments: dict[str, Any]) -> None:
    assert ask(compiled(PERMIT_ALL), arguments=arguments).code is Code.ARGUMENTS_MISMATCH


def test_a_required_argument_that_is_missing_or_null_is_denied() -> None:
    policy = compiled(PERMIT_ALL)
    for arguments in (None, {}, {"text": None}):
        decision = ask(policy, resource="tool:git/read", arguments=arguments)
        assert decision.code is Code.ARGUMENTS_MISMATCH


@pytest.mark.parametrize(
    ("resource", "action"),
    [(OPEN, "tools/call"), ("tool:git/bare", "tools/call"), ("mcp_server:git", "tools/list")],
)
def test_what_is_not_declared_is_told_to_policies(resource: str, action: str) -> None:
    text = '@id("x") permit (principal, action, resource) when { context.args_undeclared };'
    grants = f'[[grant]]\nagents = ["{WRITER}"]\ndestructive = ["git/bare"]\n'
    policy = compiled(text, grants=grants)
    for arguments in ({"z": 1}, {"nested": {"z": 1}}, {"anything": 1}, {"Text": "x"}):
        reasons = ask(policy, WRITER, action, resource, arguments).reasons
        assert reasons == (("base/undeclared-arguments",) if "bare" in resource else ("x",))
    assert not ask(policy, WRITER, action, resource, {}).allowed


# --- age -----------------------------------------------------------------------------------

FRESH = '@max_staleness("30s")'


@pytest.mark.parametrize(("age", "code"), [(30.0, Code.PERMITTED), (30.1, Code.POLICY_STALE)])
def test_a_stale_permit_no_longer_counts(age: float, code: Code) -> None:
    policy = compiled(permit("short", marks=FRESH))
    assert ask(policy, age=age) == Decision(code, ("short",), hidden=age > 30)


def test_a_permit_without_a_limit_carries_on() -> None:
    policy = compiled(permit("short", marks=FRESH + '@obligation("notify")') + permit("long"))
    assert ask(policy, age=30).reasons == ("long", "short")
    stale = ask(policy, age=31)
    assert stale == Decision(Code.PERMITTED, ("long",))


def test_a_forbid_never_grows_stale() -> None:
    policy = compiled(permit("short", marks=FRESH) + forbid("no"))
    assert ask(policy, age=1e9) == Decision(Code.FORBIDDEN, ("no",), hidden=True)


# --- shadow --------------------------------------------------------------------------------

SHADOW = '@mode("shadow")'


def test_a_shadow_forbid_is_reported_and_not_enforced() -> None:
    decision = ask(compiled(permit("all") + forbid("no", marks=SHADOW)))
    assert decision == Decision(
        Code.PERMITTED, ("all",), shadow=ShadowOutcome(allowed=False, reasons=("no",))
    )


def test_a_shadow_permit_is_reported_and_not_enforced() -> None:
    decision = ask(compiled(permit("yes", marks=SHADOW)))
    shadow = ShadowOutcome(allowed=True, reasons=("yes",))
    assert decision == Decision(Code.NOT_PERMITTED, shadow=shadow, hidden=True)


def test_shadow_policies_that_change_nothing_are_not_reported() -> None:
    assert ask(compiled(permit("all") + permit("yes", marks=SHADOW))).shadow is None
    assert ask(compiled(forbid("no", marks=SHADOW))).shadow is None


def test_a_broken_shadow_policy_does_not_deny() -> None:
    text = permit("all") + on_open("forbid", "broken", OVERFLOW).replace(
        "forbid", f"{SHADOW} forbid"
    )
    decision = ask(compiled(text), arguments={"count": 2**63 - 1})
    assert decision.allowed
    assert decision.shadow == ShadowOutcome(allowed=False, reasons=("broken",))


# --- obligations and leases ----------------------------------------------------------------


def test_obligations_of_all_that_permit_are_collected() -> None:
    text = permit("a", marks='@obligation("notify;who=ops")') + permit(
        "b", marks='@obligation("redact")'
    )
    text += permit("c", "false", '@obligation("never")')
    decision = ask(compiled(text), lease=60)
    assert decision.obligations == (
        Obligation("a", "notify", {"who": "ops"}),
        Obligation("b", "redact"),
    )
    assert decision.lease_seconds == 0


def test_a_denial_carries_no_obligation() -> None:
    text = permit("a", marks='@obligation("notify")') + forbid("no")
    assert ask(compiled(text)).obligations == ()


@pytest.mark.parametrize(
    ("text", "age", "lease"),
    [
        (permit("a"), 0, 60),
        (permit("a", marks=FRESH), 0, 30),
        (permit("a", marks=FRESH), 29, 1),
        (permit("a", marks=FRESH), 30, 0),
        (permit("a", marks=FRESH) + permit("b"), 10, 20),
        (permit("a", marks=FRESH) + permit("b"), 31, 60),
        (permit("a", marks="@no_lease"), 0, 0),
        (permit("a", marks="@no_lease") + permit("b"), 0, 0),
        (permit("a", "false", "@no_lease") + permit("b"), 0, 60),
        (permit("a", marks='@obligation("notify")'), 0, 0),
        (permit("a") + forbid("no"), 0, 0),
        ("", 0, 0),
    ],
)
def test_a_lease_ends_with_what_it_rests_on(text: str, age: float, lease: float) -> None:
    assert ask(compiled(text), age=age, lease=60).lease_seconds == lease


def test_without_a_setting_nothing_is_leased() -> None:
    assert ask(compiled(permit("a"))).lease_seconds == 0


def test_a_destructive_call_is_never_leased() -> None:
    grants = f'[[grant]]\nagents = ["{WRITER}"]\ndestructive = ["git/reset"]\n'
    decision = ask(compiled(PERMIT_ALL, grants=grants), resource="tool:git/reset", lease=60)
    assert (decision.allowed, decision.destructive, decision.lease_seconds) == (True, True, 0)
    assert not ask(compiled(PERMIT_ALL)).destructive


# --- tenants -------------------------------------------------------------------------------

PERMIT = '@id("p") permit (principal, action, resource);'
FORBID = '@id("f") forbid (principal, action, resource);'


def tenants(platform: str = "", **own: str) -> Any:
    extra: dict[str, str | bytes] = {
        f"tenants/{name}/policies/x.cedar": text for name, text in own.items()
    }
    extra["tools/beta.json"] = server_file(
        "beta",
        "spiffe://example.org/ns/beta/sa/mcp",
        [{"name": "t", "annotations": {"readOnlyHint": True}}],
    )
    return compiled(platform, manifest=TENANTS, extra=extra)


@pytest.mark.req("tenant-1", part=True)
def test_a_tenants_permit_counts_only_for_its_own_agents() -> None:
    policy = tenants(acme=PERMIT)
    assert ask(policy, ACME).reasons == ("tenant/acme/p",)
    assert not ask(policy, BETA).allowed
    assert not ask(policy, WRITER).allowed
    assert not ask(policy, ACME.replace("/acme/", "/acme-evil/")).allowed
    assert not ask(policy, ACME.replace("example.org", "example.com")).allowed


@pytest.mark.req("tenant-1", part=True)
def test_a_tenants_forbid_counts_only_for_its_own_agents() -> None:
    policy = tenants(PERMIT_ALL, acme=FORBID)
    assert ask(policy, ACME).reasons == ("tenant/acme/f",)
    assert ask(policy, BETA).allowed
    assert ask(policy, WRITER).allowed


@pytest.mark.req("tenant-1", part=True)
@pytest.mark.parametrize("subject", [ACME, BETA, WRITER])
def test_a_forbid_of_the_platform_counts_for_all(subject: str) -> None:
    policy = tenants(FORBID.replace('"f"', '"stop"'), acme=PERMIT, beta=PERMIT)
    assert ask(policy, subject).reasons == ("stop",)


@pytest.mark.req("tenant-1", part=True)
@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("agent/invoke", f"agent:{BETA}"),
        ("tools/call", "tool:beta/t"),
        ("tools/list", "mcp_server:beta"),
        ("resources/read", "resource:beta/x"),
    ],
)
def test_a_tenants_permit_does_not_open_what_is_anothers(action: str, resource: str) -> None:
    policy = tenants(acme=PERMIT, beta=PERMIT)
    assert not ask(policy, ACME, action, resource).allowed
    assert ask(policy, BETA, action, resource).allowed
    assert ask(tenants(PERMIT_ALL, acme=PERMIT), ACME, action, resource).reasons == ("all",)
    assert ask(tenants(PERMIT_ALL, acme=FORBID), ACME, action, resource).reasons == (
        "tenant/acme/f",
    )


@pytest.mark.req("tenant-1", part=True)
def test_a_tenants_permit_opens_what_is_its_own_and_servers_it_may_use() -> None:
    policy = tenants(acme=PERMIT, beta=PERMIT)
    assert ask(policy, ACME, "agent/invoke", f"agent:{ACME}").allowed
    assert ask(policy, ACME, "tools/call", "tool:git/open").allowed
    assert not ask(policy, BETA, "tools/call", "tool:git/open").allowed


@pytest.mark.req("tenant-1", part=True)
@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("agent/invoke", f"agent:{WRITER}"),
        ("delegation/mint", f"agent:{WRITER}"),
        ("http/request", "external_service:api.example"),
        ("token/exchange", "external_service:bank.example"),
        ("identity/jwt-svid", "external_service:spiffe://example.org/bank"),
    ],
)
def test_a_tenants_permit_does_not_open_what_is_the_platforms(action: str, resource: str) -> None:
    acts = acting(ALICE, ACME)
    mine, opened = tenants(acme=PERMIT), tenants(PERMIT_ALL, acme=PERMIT)
    assert not ask(mine, ACME, action, resource, circumstances=acts).allowed
    assert ask(opened, ACME, action, resource, circumstances=acts).reasons == ("all",)
