"""A real governd takes users' tokens of a real issuer, and forgets whoever is revoked at once."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from governd._proto.governd.v1 import policy_service_pb2, policy_service_pb2_grpc, types_pb2
from tests.fakes.https_issuer import HttpsIssuer, serving
from tests.fakes.user_issuer import AUDIENCE, ISSUER, USER, UserIssuer
from tests.integration.daemon_process import DaemonProcess, StartGovernd, executable
from tests.policies import WRITER, source_files

pytestmark = pytest.mark.req("gi-3", part=True)

FOR_USERS = (
    '@id("users") permit (principal, action, resource == Tool::"git/open")\n'
    f'when {{ context has delegation && context.delegation.user_subject == "{USER}" }};'
)
SIGNED, NEXT = UserIssuer(key_id="one"), UserIssuer(key_id="two")


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[HttpsIssuer]:
    async with serving(tmp_path) as made:
        made.document = SIGNED.key_set()
        yield made


def start(
    governd: StartGovernd, issuer: HttpsIssuer, folder: Path, more: str = ""
) -> DaemonProcess:
    table = (
        f'[[issuer]]\nname = "corp"\nissuer = "{ISSUER}"\naudiences = ["{AUDIENCE}"]\n'
        f'kinds = ["id_token", "access_token"]\njwks_uri = "{issuer.uri}"\n'
    )
    for path, content in source_files(FOR_USERS, manifest=table).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    settings = f'[issuers]\nca_file = "{issuer.ca_file}"\n{more}'
    listeners = {"writer": WRITER}
    return governd(settings, listeners=listeners, policy=folder)


def token(idp: UserIssuer = SIGNED, **changes: object) -> str:
    now = int(time.time())
    return idp.id_token(**{"iat": now, "exp": now + 600, **changes})


async def ask(daemon: DaemonProcess, shown: str = "") -> str:
    """The decision's code, or the error's reason and rule."""
    evidence = types_pb2.Evidence(id_token=shown) if shown else None
    asked = policy_service_pb2.EvaluateRequest(
        action=types_pb2.Action(name="tools/call"),
        resource=types_pb2.Resource(type="tool", id="git/open"),
        context=types_pb2.Context(arguments_json=b"{}", evidence=evidence),
    )
    return await asyncio.to_thread(_ask, daemon, asked)


def _ask(daemon: DaemonProcess, asked: policy_service_pb2.EvaluateRequest) -> str:
    with grpc.insecure_channel(daemon.target("writer")) as channel:
        stub = policy_service_pb2_grpc.PolicyServiceStub(channel)
        try:
            code = stub.Evaluate(asked, timeout=20).evaluation.code
        except grpc.RpcError as error:
            assert isinstance(error, grpc.Call)
            status, info = rpc_status.from_call(error), error_details_pb2.ErrorInfo()
            assert status is not None
            assert status.details[0].Unpack(info)
            return " ".join((info.reason, info.metadata.get("rule", ""))).strip()
    return types_pb2.DecisionCode.Name(code).removeprefix("DECISION_CODE_")


async def cli(daemon: DaemonProcess, *words: str) -> str:
    done = await asyncio.create_subprocess_exec(
        executable(),
        "revocation",
        *words,
        "--admin-socket",
        str(daemon.admin_socket),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await done.communicate()
    assert done.returncode == 0, said
    return said.decode()


LOCAL = 'networks = ["127.0.0.0/8"]\n'


async def test_a_users_token_is_what_policy_sees_the_user_by(
    governd: StartGovernd, issuer: HttpsIssuer, tmp_path: Path
) -> None:
    daemon = await asyncio.to_thread(start, governd, issuer, tmp_path / "policy", LOCAL)
    assert await ask(daemon) == "NOT_PERMITTED"
    assert await ask(daemon, token()) == "PERMITTED"
    assert await ask(daemon, token(sub="bob")) == "NOT_PERMITTED"
    assert await ask(daemon, token(aud="shop")) == "EVIDENCE_INVALID audience"
    assert await ask(daemon, token(NEXT)) == "EVIDENCE_INVALID key"
    assert all(one not in daemon.stderr_file.read_text() for one in (token(), "eyJ"))
    assert "eyJ" not in daemon.decision_log.read_text()


async def test_an_issuer_that_goes_away_is_missed_by_new_keys_alone(
    governd: StartGovernd, tmp_path: Path
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        issuer = await stack.enter_async_context(serving(tmp_path))
        issuer.document = SIGNED.key_set()
        daemon = await asyncio.to_thread(start, governd, issuer, tmp_path / "policy", LOCAL)
        assert await ask(daemon, token()) == "PERMITTED"
    assert await ask(daemon, token()) == "PERMITTED"


async def test_attack_a_policy_that_leads_to_what_only_governd_can_reach(
    governd: StartGovernd, issuer: HttpsIssuer, tmp_path: Path
) -> None:
    daemon = await asyncio.to_thread(start, governd, issuer, tmp_path / "policy")
    assert await ask(daemon, token()) == "EVIDENCE_UNAVAILABLE"
    assert issuer.connections == 0
    assert await ask(daemon) == "NOT_PERMITTED"


async def test_who_is_revoked_is_denied_at_once_and_after_a_restart(
    governd: StartGovernd, issuer: HttpsIssuer, tmp_path: Path
) -> None:
    daemon = await asyncio.to_thread(start, governd, issuer, tmp_path / "policy", LOCAL)
    assert await ask(daemon, token()) == "PERMITTED"
    user = f"{ISSUER}#{USER}"
    await cli(daemon, "add", "user", user, "--for", "10m", "--reason", "left")
    assert await ask(daemon, token()) == "FORBIDDEN"
    (listed,) = json.loads(await cli(daemon, "list", "--json"))["revocations"]
    assert (listed["kind"], listed["name"], listed["reason"]) == ("user", user, "left")
    record = next(one for one in daemon.decisions() if one["kind"] == "revocation")
    assert record["revoked"] == {"user": user}
    daemon.kill()
    await asyncio.to_thread(daemon.start)
    assert await ask(daemon, token()) == "FORBIDDEN"
    await cli(daemon, "add", "agent", WRITER)
    assert await ask(daemon, token(sub="bob")) == "FORBIDDEN"


async def test_a_token_that_is_revoked_proves_nothing_any_more(
    governd: StartGovernd, issuer: HttpsIssuer, tmp_path: Path
) -> None:
    daemon = await asyncio.to_thread(start, governd, issuer, tmp_path / "policy", LOCAL)
    assert await ask(daemon, token(jti="stolen")) == "PERMITTED"
    await cli(daemon, "add", "token", "stolen")
    assert await ask(daemon, token(jti="stolen")) == "EVIDENCE_INVALID revoked"
    assert await ask(daemon, token(jti="other")) == "PERMITTED"
