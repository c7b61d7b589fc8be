"""A governd with attested listeners, before a real SPIRE, as its callers and operator see it."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message

from governd._proto.governd.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    identity_service_pb2,
    identity_service_pb2_grpc,
)
from tests.integration.daemon_process import DaemonProcess
from tests.policies import source_files
from tests.spiffe_parts import PATIENCE_SECONDS
from tests.spire_parts import Spire

NODE = "node-1"
SHOP, ACCOUNT = "k8s:ns:shop", "k8s:sa:web"
TEMPLATE = 'path_template = "/ns/{namespace}/sa/{service_account}"\n'
FACTS = {"namespace": "shop", "service_account": "web"}


def identity_section(spire: Spire, more: str = "") -> str:
    """``[identity]`` with a real SPIRE."""
    socket = json.dumps(str(spire.agent.admin_socket))
    return f'[identity]\nsource = "spire"\nnode = "{NODE}"\nspire_admin_socket = {socket}\n{more}'


def listener(
    name: str = "web",
    selectors: Sequence[str] = (SHOP, ACCOUNT),
    facts: Mapping[str, str] | None = None,
) -> str:
    """An attested ``[[listener]]``; its socket is named after it."""
    table = ", ".join(f"{key} = {json.dumps(value)}" for key, value in (facts or {}).items())
    return (
        f'[[listener]]\nattestation = "spire"\nname = "{name}"\nsocket = "{name}.sock"\n'
        f"selectors = {json.dumps(list(selectors))}\nfacts = {{{table}}}\n"
    )


def policy_of(directory: Path, cedar: str) -> Path:
    """A policy directory."""
    for name, content in source_files(cedar).items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return directory


class Attested:
    """The socket of one workload, and what the operator is told of it.

    Attributes:
        daemon: Serves it.
        name: The listener's.
    """

    def __init__(self, daemon: DaemonProcess, name: str = "web") -> None:
        self.daemon = daemon
        self.name = name

    @property
    def socket(self) -> Path:
        return self.daemon.directory / f"{self.name}.sock"

    @property
    def address(self) -> str:
        return f"unix://{self.socket}"

    @property
    def ids(self) -> list[str]:
        return [svid.spiffe_id for svid in self.status().svids]

    def status(self) -> admin_service_pb2.IdentityStatus:
        """What ``governd identity show`` says."""
        request = admin_service_pb2.GetIdentityRequest(workload=self.name)
        with operator(self.daemon) as admin:
            answer: admin_service_pb2.GetIdentityResponse = admin.GetIdentity(request, timeout=10)
        return answer.identity

    @contextmanager
    def channel(self) -> Iterator[grpc.Channel]:
        """A connection of its own."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(f"unix:{self.socket}", options) as channel:
            yield channel

    def who_am_i(self) -> identity_service_pb2.WhoAmIResponse:
        """Who the caller is."""
        with self.channel() as channel:
            stub = identity_service_pb2_grpc.IdentityServiceStub(channel)
            return stub.WhoAmI(identity_service_pb2.WhoAmIRequest(), timeout=10)

    def until_it_is(self, spiffe_id: str) -> identity_service_pb2.WhoAmIResponse:
        """Waits until the caller is somebody; ``""`` for nobody."""
        until(lambda: self.who_am_i().spiffe_id == spiffe_id)
        return self.who_am_i()


@contextmanager
def operator(daemon: DaemonProcess) -> Iterator[Any]:
    """The operator's calls."""
    with grpc.insecure_channel(f"unix:{daemon.admin_socket}") as channel:
        yield admin_service_pb2_grpc.AdminServiceStub(channel)


def status(daemon: DaemonProcess) -> admin_service_pb2.StatusResponse:
    """What ``governd status`` says."""
    with operator(daemon) as admin:
        answer: admin_service_pb2.StatusResponse = admin.Status(
            admin_service_pb2.StatusRequest(), timeout=10
        )
        return answer


def component(daemon: DaemonProcess, name: str) -> admin_service_pb2.ComponentStatus:
    """One part of it."""
    (found,) = [one for one in status(daemon).components if one.name == name]
    return found


def callers(daemon: DaemonProcess) -> dict[str, admin_service_pb2.CallerStatus]:
    """Every caller that is known, by SPIFFE ID."""
    with operator(daemon) as admin:
        answer = admin.ListCallers(admin_service_pb2.ListCallersRequest(), timeout=10)
        return {one.spiffe_id: one for one in answer.callers}


def until(seen: Callable[[], bool]) -> None:
    """Waits until something is so."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not seen():
        assert time.monotonic() < end, "it does not come to be"
        time.sleep(0.02)


def raw(channel: grpc.Channel, method: str, request: Message) -> Any:
    """Calls a method, unary or not, without its stub."""
    call: Any = channel.unary_stream(method)
    return call(request.SerializeToString(), metadata=(("workload.spiffe.io", "true"),), timeout=10)
