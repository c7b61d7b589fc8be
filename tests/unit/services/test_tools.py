"""Definitions as messages: what is not known is left out, and numbers mean what they say."""

import enum
from dataclasses import replace
from typing import Any

import pytest

from governd._proto.governd.v1 import admin_service_pb2, tool_service_pb2, types_pb2
from governd.application.keep_tools import RegistrationOutcome
from governd.policy.decision import DecisionCode, PolicyInfo
from governd.policy.definitions import Definition, Kind
from governd.policy.offering import QuarantineReason, Standing, declared_standing, offer
from governd.policy.registration import PinOrigin, register
from governd.services import tools
from tests.policies import compiled
from tests.tool_definitions import NOW, definition, registration, tool

POLICY = compiled()


def standing(first: Definition, second: Definition | None = None) -> Standing:
    held = registration(first)
    if second is not None:
        held = register(held, held.spiffe_id, held.server, [second], now=NOW + 1, accept_first=True)
    (found,) = offer(POLICY, [held]).standings.values()
    return found


@pytest.mark.parametrize(
    ("ours", "proto", "prefix"),
    [
        (Kind, tool_service_pb2.DefinitionKind, "DEFINITION_KIND_"),
        (QuarantineReason, tool_service_pb2.QuarantineReason, "QUARANTINE_REASON_"),
        (PinOrigin, admin_service_pb2.PinOrigin, "PIN_ORIGIN_"),
        (DecisionCode, types_pb2.DecisionCode, "DECISION_CODE_"),
    ],
    ids=["kinds", "reasons", "origins", "codes"],
)
def test_our_numbers_are_those_of_the_protos(
    ours: type[enum.Enum], proto: Any, prefix: str
) -> None:
    theirs = {name.removeprefix(prefix): number for name, number in proto.items() if number}
    assert {one.name: one.value for one in ours if one.value} == theirs


def test_a_definition_that_changed_is_told_with_what_it_is_held_to() -> None:
    old, new = tool("write", description="a"), tool("write", description="b")
    found = standing(old, new)
    message = tools.details(found)
    assert (message.definition_json, message.pinned_json) == (new.canonical, old.canonical)
    status = message.status
    assert (status.server, status.kind, status.name) == ("git", 1, "write")
    assert (status.declared, status.registered) == (False, True)
    assert list(status.reasons) == [tool_service_pb2.QUARANTINE_REASON_CHANGED]
    assert status.detail == found.detail
    assert (status.digest, status.pinned_digest) == (new.digest, old.digest)
    assert status.pin_origin == admin_service_pb2.PIN_ORIGIN_FIRST_REGISTRATION
    assert status.registered_at.seconds == NOW + 1
    assert (status.destructive, status.open_world) == (True, True)


def test_a_declared_tool_that_nobody_registered_has_no_digest_and_no_time() -> None:
    message = tools.details(declared_standing("git", POLICY.servers["git"].tools["read"]))
    status = message.status
    assert (status.declared, status.registered) == (True, False)
    assert (status.digest, status.pinned_digest) == ("", "")
    assert status.pin_origin == admin_service_pb2.PIN_ORIGIN_UNSPECIFIED
    assert not status.HasField("registered_at")
    assert (list(status.requires), status.destructive) == (["git:read"], False)
    assert message.definition_json == b""
    assert list(status.untyped_arguments) == ["anything"]


def test_the_arguments_of_a_tool_are_told_as_policies_see_them() -> None:
    message = tools.details(declared_standing("git", POLICY.servers["git"].tools["read"]))
    found = {one.name: (one.type, one.required) for one in message.arguments}
    assert list(found) == sorted(found)
    assert found["text"] == ("String", True)
    assert found["tags"] == ("Set<String>", False)
    assert "anything" not in found


def test_a_prompt_has_no_arguments_that_policies_see() -> None:
    message = tools.details(standing(definition(Kind.PROMPT, b'{"name": "ask"}')))
    assert message.status.kind == tool_service_pb2.DEFINITION_KIND_PROMPT
    assert not message.arguments
    assert not message.status.destructive


def test_an_outcome_says_what_is_quarantined_and_why() -> None:
    found = standing(tool("write", description="a"), tool("write", description="b"))
    outcome = RegistrationOutcome("git", 3, (found,), True, PolicyInfo(epoch="e-2"))
    message = tools.registered(outcome)
    assert (message.server, message.active, message.changed) == ("git", 3, True)
    assert message.policy.epoch == "e-2"
    (quarantined,) = message.quarantined
    assert (quarantined.name, quarantined.digest) == ("write", tools.status(found).digest)
    assert list(quarantined.reasons) == [tool_service_pb2.QUARANTINE_REASON_CHANGED]
    assert quarantined.detail


def test_an_outcome_lists_so_many_and_counts_all() -> None:
    found = standing(tool("write", description="a"), tool("write", description="b"))
    outcome = RegistrationOutcome("git", 0, (found,) * 4096, True, PolicyInfo())
    message = tools.registered(outcome)
    assert (len(message.quarantined), message.quarantined_count) == (tools.MAX_QUARANTINED, 4096)


def test_reasons_in_words_are_cut_where_they_are_many() -> None:
    found = standing(tool("write", description="a"), tool("write", description="b"))
    for text, said in (
        ("x" * 1024, "x" * 1024),
        ("x" * 1025, "x" * 1021 + "\u2026"),
        ("é" * 600, "é" * 510 + "\u2026"),
    ):
        assert tools.status(replace(found, detail=text)).detail == said
        assert len(said.encode()) <= tools.MAX_DETAIL_BYTES


def test_arguments_without_a_type_are_listed_up_to_a_number() -> None:
    properties: dict[str, Any] = {f"a{number}": {} for number in range(300)}
    found = standing(tool("write", inputSchema={"properties": properties}))
    assert len(tools.status(found).untyped_arguments) == tools.MAX_UNTYPED


@pytest.mark.req("gi-5", part=True)
def test_what_is_required_only_because_it_was_before_is_told() -> None:
    found = standing(tool("write", ["git:write", "git:read"]), tool("write", ["git:read"]))
    status = tools.status(found)
    assert (list(status.requires), list(status.formerly_required)) == (
        ["git:read", "git:write"],
        ["git:write"],
    )


@pytest.mark.req("gi-5", part=True)
def test_what_was_withdrawn_while_it_was_quarantined_is_told_without_what_nobody_offers() -> None:
    held = registration(tool("write", description="a"))
    for after in ([tool("write", description="b")], []):
        held = register(held, held.spiffe_id, held.server, after, now=NOW + 1, accept_first=True)
    (found,) = offer(POLICY, [held]).standings.values()
    message = tools.details(found)
    status = message.status
    assert list(status.reasons) == [tool_service_pb2.QUARANTINE_REASON_CHANGED]
    assert (status.registered, status.digest, message.definition_json) == (False, "", b"")
    assert not status.HasField("registered_at")
    assert status.pinned_digest


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("sha-256:" + "0a" * 32, True),
        ("sha-256:" + "0A" * 32, False),
        ("sha-256:" + "0a" * 31, False),
        ("sha-256:" + "0a" * 32 + "\n", False),
        ("", False),
    ],
)
def test_a_digest_is_written_in_one_way(text: str, good: bool) -> None:
    assert tools.is_digest(text) is good
