"""Lists are read strictly, and the field of each mistake is named."""

import pytest

from governd._proto.governd.v1 import tool_service_pb2 as pb
from governd._proto.governd.v1 import types_pb2
from governd.application.list_question import FilteredList, ListedEntry, ListQuestion
from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.policy.decision import PolicyInfo
from governd.policy.definitions import Kind
from governd.services import listings
from tests.policies import READER, SERVER

ME, OTHER = SpiffeId.parse(SERVER), SpiffeId.parse(READER)
DIGEST = "sha-256:" + "0a" * 32
MOST = 4


def request(*entries: pb.ListedDefinition, **more: object) -> pb.FilterToolsRequest:
    fields = {"server": "git", "kind": pb.DEFINITION_KIND_TOOL, "definitions": entries, **more}
    return pb.FilterToolsRequest(**fields)  # type: ignore[arg-type]


def read(asked: pb.FilterToolsRequest) -> ListQuestion:
    return listings.question(asked, ME, MOST)


def test_a_list_is_read_whole() -> None:
    entries = [
        pb.ListedDefinition(name="git_log"),
        pb.ListedDefinition(name="git_log", digest=DIGEST),
    ]
    assert read(request(*entries)) == ListQuestion(
        ME, None, "git", Kind.TOOL, (ListedEntry("git_log"), ListedEntry("git_log", DIGEST))
    )


def test_a_list_may_be_empty() -> None:
    assert read(request()).entries == ()


@pytest.mark.parametrize(
    ("subject", "found", "asserted_by"),
    [(None, ME, None), (SERVER, ME, None), (READER, OTHER, ME)],
)
def test_a_list_is_about_its_caller_unless_it_names_another(
    subject: str | None, found: SpiffeId, asserted_by: SpiffeId | None
) -> None:
    more = {"subject": types_pb2.Subject(id=subject)} if subject else {}
    question = read(request(**more))
    assert (question.subject, question.asserted_by) == (found, asserted_by)


@pytest.mark.parametrize(
    ("phase", "bootstrap"),
    [
        (pb.LIST_PHASE_UNSPECIFIED, False),
        (pb.LIST_PHASE_CALL, False),
        (pb.LIST_PHASE_BOOTSTRAP, True),
    ],
)
def test_a_list_is_for_a_call_unless_it_says_otherwise(
    phase: pb.ListPhase.ValueType, bootstrap: bool
) -> None:
    assert read(request(phase=phase)).bootstrap is bootstrap


def entry(**fields: str) -> pb.ListedDefinition:
    return pb.ListedDefinition(**{"name": "x", **fields})


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (request(server=""), "server"),
        (request(server="Git"), "server"),
        (request(server="git/x"), "server"),
        (request(server="git\n"), "server"),
        (request(kind=0), "kind"),
        (request(kind=9), "kind"),
        (request(phase=9), "phase"),
        (request(subject=types_pb2.Subject(id="reader")), "subject.id"),
        (request(subject=types_pb2.Subject(type="user", id=READER)), "subject.type"),
        (request(*[entry()] * (MOST + 1)), "definitions"),
        (request(entry(), entry(name="")), "definitions[1].name"),
        (request(entry(name="ä" * 1025)), "definitions[0].name"),
        (request(entry(), entry(digest="sha-256:0A")), "definitions[1].digest"),
        (request(entry(digest=DIGEST.upper())), "definitions[0].digest"),
        (request(entry(digest=DIGEST + "\n")), "definitions[0].digest"),
        (request(entry(digest="0a" * 32)), "definitions[0].digest"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_named(asked: pb.FilterToolsRequest, field: str) -> None:
    with pytest.raises(RequestError) as refused:
        read(asked)
    assert refused.value.field == field


def test_an_answer_says_what_may_be_shown_and_for_how_long() -> None:
    info = PolicyInfo("d", 1, "e-1", 1.5)
    answer = listings.answer(FilteredList("0a" * 16, (0, 3), info, 2.5))
    assert list(answer.shown) == [0, 3]
    assert (answer.decision_id, answer.policy.epoch) == ("0a" * 16, "e-1")
    assert (answer.lease.valid_for.seconds, answer.lease.valid_for.nanos) == (2, 500_000_000)
    assert not listings.answer(FilteredList("0a" * 16, (), info, 0.0)).HasField("lease")
