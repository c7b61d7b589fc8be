"""The questions that are asked, and whether the answers are what was meant to be measured."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.load import Report, frame
from bench.policies import HOST, TRUST_DOMAIN
from governd._proto.governd.v1 import policy_service_pb2

NEVER_TWICE = "#" * 16
"""The client puts another number in its place each time it asks."""
REPEATED = 16
"""How many questions are asked again and again."""


def commit(number: str, *, subject: str = "") -> bytes:
    """May the caller, or an agent, commit? The message is an argument that policies look at."""
    arguments = {"repo_path": "repository", "message": f"DEMO-{number}: say what it is for"}
    return _request(("tools/call", "tool", "git/git_commit"), arguments, subject)


def reach(host: int, number: str) -> bytes:
    """May the caller send a request to a host?"""
    about = ("http/request", "external_service", HOST.format(host))
    return _request(about, {"number": number}, "")


def never_repeated(file: Path) -> Path:
    """A request to commit for the client, another one each time."""
    return frame([commit(NEVER_TWICE)], file)


def repeated(file: Path) -> Path:
    """A few requests to commit for the client, always the same."""
    return frame([commit(f"{number:016}") for number in range(REPEATED)], file)


def check_permitted(reports: Sequence[Report]) -> None:
    """Sees that what was measured is a permit: a deny may be cheaper.

    Raises:
        RuntimeError: It was not so.
    """
    for report in reports:
        reply = bytes.fromhex(report.sample_reply)
        answer = policy_service_pb2.EvaluateResponse.FromString(reply).evaluation
        if not answer.decision:
            message = f"the question is not permitted: {answer}"
            raise RuntimeError(message)


def _request(about: tuple[str, str, str], arguments: Mapping[str, str], subject: str) -> bytes:
    request = policy_service_pb2.EvaluateRequest()
    request.action.name, request.resource.type, request.resource.id = about
    request.context.arguments_json = json.dumps(arguments).encode()
    if subject:
        request.subject.id = f"spiffe://{TRUST_DOMAIN}/agent/{subject}"
    return request.SerializeToString()
