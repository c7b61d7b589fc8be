"""One evaluator, many doors: every door gives the cases the same answers.

A gateway asks a real daemon about each case's subject: through the Python client, alone
and in a batch, over a stream, and through the operator's Explain; and the command line asks some.
What lists hide is what answers say is hidden.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc
import pytest
import yaml

from governd._proto.governd.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    policy_service_pb2,
    policy_service_pb2_grpc,
    tool_service_pb2,
    tool_service_pb2_grpc,
    types_pb2,
)
from governd.policy.cases import Case, CaseFile
from governd_client import AsyncClient, Client, Decision, Question, Resource
from governd_client._proto.governd.v1 import policy_service_pb2 as client_pb2
from governd_client._proto.governd.v1 import policy_service_pb2_grpc as client_pb2_grpc
from tests.integration.daemon_process import DaemonProcess, executable, prepare

FOLDER = Path(__file__).parent / "policy"
GATEWAY = "spiffe://example.org/gateway"
GATEWAY_ROLE = f"""
[[gateway]]
spiffe_id = "{GATEWAY}"
subjects = ["spiffe://example.org", "spiffe://example.com"]
"""


def cases() -> list[Case]:
    """Cases about the source as it is, whose policy may be of any age."""
    files = [
        CaseFile.model_validate(yaml.safe_load(path.read_text()))
        for path in sorted(FOLDER.glob("*.yaml"))
    ]
    plain = [file for file in files if not file.policies and not file.entities]
    return [case for file in plain for case in file.cases if not case.age_seconds]


CASES = cases()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    folder = tmp_path_factory.mktemp("doors")
    source = shutil.copytree(FOLDER / "source", folder / "source")
    manifest = source / "manifest.toml"
    manifest.write_text(manifest.read_text() + GATEWAY_ROLE)
    daemon = prepare(folder / "governd", "", {"gateway": GATEWAY}, source)
    daemon.start()
    try:
        yield daemon
        assert daemon.stop() == 0
    finally:
        daemon.kill()


def asked(case: Case) -> Question:
    kind, _, name = case.resource.partition(":")
    return Question(case.action, Resource(kind, name), case.arguments, case.subject)


def asked_of(case: Case) -> policy_service_pb2.EvaluateRequest:
    """The same as a message, by a gateway."""
    kind, name = asked(case).resource
    question = policy_service_pb2.EvaluateRequest(
        subject=types_pb2.Subject(id=case.subject),
        action=types_pb2.Action(name=case.action),
        resource=types_pb2.Resource(type=kind, id=name),
    )
    if case.arguments is not None:
        question.context.arguments_json = json.dumps(case.arguments).encode()
    return question


def differences(answers: Sequence[Decision]) -> list[str]:
    """Cases whose answer is not what they want. Obligations the caller cannot meet deny."""
    found = []
    for case, answer in zip(CASES, answers, strict=True):
        wanted = case.wanted
        if answer.allowed != (wanted.decision == "allow"):
            found.append(f"{case.name}: {answer}")
        if wanted.code and answer.code.name != wanted.code:
            found.append(f"{case.name}: {answer.code}")
        if wanted.reasons is not None and sorted(answer.reasons) != sorted(wanted.reasons):
            found.append(f"{case.name}: {answer.reasons}")
    return found


OBLIGATIONS = ("notify", "step-up", "notification")


def test_there_are_enough_cases() -> None:
    assert len(CASES) > 30


@pytest.mark.req("sdk-7", part=True)
@pytest.mark.req("tenant-1")
def test_the_python_client_gives_every_case_its_answer(daemon: DaemonProcess) -> None:
    with Client(str(daemon.sockets["gateway"]), supported_obligations=OBLIGATIONS) as client:
        answers = [
            client.evaluate(one.action, one.resource, arguments=one.arguments, subject=one.subject)
            for one in map(asked, CASES)
        ]
    assert not differences(answers)


async def test_the_asynchronous_client_s_batch_gives_every_case_its_answer(
    daemon: DaemonProcess,
) -> None:
    socket = str(daemon.sockets["gateway"])
    async with AsyncClient(socket, supported_obligations=OBLIGATIONS) as client:
        assert not differences(await client.evaluate_batch([asked(case) for case in CASES]))


def test_a_stream_gives_every_case_its_answer(daemon: DaemonProcess) -> None:
    questions = [
        client_pb2.StreamedQuestion(correlation_id=number, request=asked(case).to_proto())
        for number, case in enumerate(CASES)
    ]
    with grpc.insecure_channel(daemon.target("gateway")) as channel:
        stub = client_pb2_grpc.PolicyServiceStub(channel)
        messages = iter([client_pb2.EvaluateStreamRequest(questions=questions)])
        (response,) = stub.EvaluateStream(messages, timeout=10)
    answers = sorted(response.answers, key=lambda one: one.correlation_id)
    assert not differences([Decision.from_proto(one.evaluation, OBLIGATIONS) for one in answers])


def test_explain_gives_every_case_its_answer(daemon: DaemonProcess) -> None:
    with grpc.insecure_channel(daemon.target("admin")) as channel:
        stub = admin_service_pb2_grpc.AdminServiceStub(channel)
        for case in CASES:
            question = asked_of(case)
            question.ClearField("subject")
            request = admin_service_pb2.ExplainRequest(caller=case.subject, question=question)
            answer = stub.Explain(request, timeout=5).evaluation
            assert answer.decision == (case.wanted.decision == "allow"), case.name
            if case.wanted.code:
                assert types_pb2.DecisionCode.Name(answer.code).endswith(case.wanted.code)


KINDS = {
    "tools/call": tool_service_pb2.DEFINITION_KIND_TOOL,
    "resources/read": tool_service_pb2.DEFINITION_KIND_RESOURCE,
    "prompts/get": tool_service_pb2.DEFINITION_KIND_PROMPT,
}


@pytest.mark.req("gi-5", part=True)
def test_a_list_shows_what_is_permitted_and_hides_what_answers_say_is_hidden(
    daemon: DaemonProcess,
) -> None:
    """A list and a call are two doors: what one hides, the other must deny, and say so."""
    seen = set()
    with grpc.insecure_channel(daemon.target("gateway")) as channel:
        policies = policy_service_pb2_grpc.PolicyServiceStub(channel)
        tools = tool_service_pb2_grpc.ToolServiceStub(channel)
        for case in [one for one in CASES if one.action in KINDS]:
            request = asked_of(case)
            answer = policies.Evaluate(request, timeout=5).evaluation
            server, _, name = request.resource.id.partition("/")
            if answer.code == types_pb2.DECISION_CODE_UNKNOWN_RESOURCE:
                assert answer.hidden, case.name
                continue  # there may be no such server, and then no list
            listed = tool_service_pb2.FilterToolsRequest(
                subject=request.subject,
                server=server,
                kind=KINDS[case.action],
                definitions=[tool_service_pb2.ListedDefinition(name=name)],
            )
            shown = bool(tools.FilterTools(listed, timeout=5).shown)
            assert shown != answer.hidden, case.name
            assert shown or not answer.decision, case.name
            seen.add((shown, answer.decision))
    assert seen == {(True, True), (True, False), (False, False)}


@pytest.mark.parametrize("case", CASES[::9], ids=lambda case: case.name)
def test_the_command_line_gives_a_case_its_answer(daemon: DaemonProcess, case: Case) -> None:
    done = subprocess.run(
        [
            *(executable(), "evaluate", "--json", "--socket", str(daemon.sockets["gateway"])),
            *("--subject", case.subject, case.action, case.resource),
            *(("--arguments", json.dumps(case.arguments)) if case.arguments is not None else ()),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == (0 if case.wanted.decision == "allow" else 1), done.stderr
    assert json.loads(done.stdout)["decision"] == (case.wanted.decision == "allow")
