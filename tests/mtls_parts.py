"""A governd whose identities a real SPIRE issues, with an mTLS listener, and its callers.

spire = start_spire(entries=[*own_entries(), Entry("/web", ("k8s:ns:shop",))])
daemon = governd(settings(spire), listeners={})
async with peer_channel(daemon, await svid_of(spire, "k8s:ns:shop"), roots) as channel:
    ...
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

import grpc
import grpc.aio

from governd._proto.governd.v1 import (
    identity_service_pb2,
    identity_service_pb2_grpc,
    policy_service_pb2,
    policy_service_pb2_grpc,
)
from governd.adapters.spire_agent import SpireAgent
from governd.endpoints.tls import SvidServing, pem
from governd.identity.svid import Selector, Workload, X509Svid
from governd.identity.verification import Verifier
from tests.integration.daemon_process import DaemonProcess
from tests.integration.endpoints.doors import Refusal, refused
from tests.spire_parts import Entry, Spire

NODE = "node-1"
SOCKET = "mtls.sock"
DNS_NAME = "governd"
UNVERIFIED = Refusal(grpc.StatusCode.UNAUTHENTICATED, "CALLER_UNVERIFIED", {}, None)
PATIENCE_SECONDS = 60

Epochs = grpc.aio.UnaryStreamCall[
    policy_service_pb2.WatchEpochRequest, policy_service_pb2.WatchEpochResponse
]
"""A stream that goes on for as long as its caller is believed."""


def own_entries(ttl: int = 0, *, federates_with: tuple[str, ...] = ()) -> list[Entry]:
    """What an operator registers for governd on its node.

    Args:
        ttl: Of governd's own identities, in seconds; 0 for SPIRE's default.
        federates_with: Trust domains whose workloads call.
    """
    return [
        Entry(
            f"/governd/server/{NODE}",
            ("governd:identity:server",),
            ttl=ttl,
            federates_with=federates_with,
            dns_names=(DNS_NAME,),
        ),
        Entry(f"/governd/signer/{NODE}", ("governd:identity:signer",), ttl=ttl),
    ]


def settings(spire: Spire, trust_domains: Iterable[str] = (), *, more: str = "") -> str:
    """The configuration of a governd that has its identities from ``spire``.

    Args:
        spire: Issues them.
        trust_domains: Whose workloads may call over mTLS; none for its own.
        more: TOML to put at the end.
    """
    domains = ", ".join(f'"{domain}"' for domain in trust_domains)
    return (
        f'[identity]\nsource = "spire"\nnode = "{NODE}"\n'
        f'spire_admin_socket = "{spire.agent.admin_socket}"\n'
        f'[[listener]]\nattestation = "mtls"\nsocket = "{SOCKET}"\ntrust_domains = [{domains}]\n'
        f"{more}"
    )


@contextlib.asynccontextmanager
async def source_of(spire: Spire) -> AsyncIterator[SpireAgent]:
    """The agent, as whoever may ask for others' identities sees it."""
    source = SpireAgent(spire.agent.admin_socket, spire.server.trust_domain)
    try:
        yield source
    finally:
        await source.close()


async def svid_of(spire: Spire, *selectors: str, but: bytes = b"") -> X509Svid:
    """The X.509-SVID that a workload with these selectors has, as soon as it has one.

    Args:
        spire: Issues it.
        selectors: ``type:value`` each.
        but: A certificate that it must not be any more.
    """
    workload = Workload("test", tuple(map(Selector.parse, selectors)))
    async with source_of(spire) as source, contextlib.aclosing(source.svids(workload)) as said:
        async for one in said:
            for svid in one.svids:
                if svid.chain[0] != but:
                    return svid
    raise AssertionError


async def authorities_of(spire: Spire) -> tuple[bytes, ...]:
    """The authorities of its own trust domain, DER."""
    async with source_of(spire) as source, contextlib.aclosing(source.bundles()) as said:
        return tuple((await anext(said)).x509[spire.server.trust_domain])


def peer_channel(daemon: DaemonProcess, svid: X509Svid, roots: Iterable[bytes]) -> grpc.aio.Channel:
    """A stock gRPC client's channel to the mTLS listener, with a connection of its own.

    Args:
        daemon: Where it leads to.
        svid: Who calls.
        roots: The authorities that governd is verified by, DER.
    """
    mine = SvidServing(lambda: svid, Verifier({}), ()).material()
    credentials = grpc.ssl_channel_credentials(
        pem(roots), mine.private_key.reveal(), mine.certificate_chain
    )
    options = [
        ("grpc.ssl_target_name_override", DNS_NAME),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    return grpc.aio.secure_channel(f"unix:{daemon.directory / SOCKET}", credentials, options)


async def who_am_i(channel: grpc.aio.Channel, seconds: float = 10.0) -> str:
    """Who governd says the caller is: its SPIFFE ID."""
    stub = identity_service_pb2_grpc.IdentityServiceStub(channel)
    answer = await stub.WhoAmI(identity_service_pb2.WhoAmIRequest(), timeout=seconds)
    return str(answer.spiffe_id)


class Door:
    """The mTLS listener, to callers who know governd's authorities.

    Attributes:
        daemon: Whose it is.
    """

    def __init__(self, daemon: DaemonProcess, roots: Iterable[bytes]) -> None:
        """Takes the authorities that governd is verified by, DER."""
        self.daemon = daemon
        self._roots = tuple(roots)

    def channel(self, svid: X509Svid) -> grpc.aio.Channel:
        """A connection of that caller's."""
        return peer_channel(self.daemon, svid, self._roots)

    async def who(self, svid: X509Svid) -> str:
        """Who governd says that is."""
        async with self.channel(svid) as channel:
            return await who_am_i(channel)

    async def until_known(self, svid: X509Svid) -> None:
        """Returns when trust bundles that verify it have arrived."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    assert await self.who(svid) == str(svid.spiffe_id)
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.05)
                else:
                    return


async def open_stream(channel: grpc.aio.Channel) -> Epochs:
    """A stream that has begun."""
    stub = policy_service_pb2_grpc.PolicyServiceStub(channel)
    call: Epochs = stub.WatchEpoch(policy_service_pb2.WatchEpochRequest())
    await call.read()
    return call


async def ended(call: Epochs) -> Refusal:
    """How a stream ends; what it tells until then is passed over."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await refused(_to_its_end(call))


async def _to_its_end(call: Epochs) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass
