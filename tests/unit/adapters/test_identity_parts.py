"""What the configuration says issues identities, and governd's own come from it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from cryptography import x509
from prometheus_client import CollectorRegistry

from governd.adapters.identity_parts import IdentityParts
from governd.adapters.spire_agent import SpireAgent
from governd.application.identity_state import Phase
from governd.config import parse
from governd.errors import IdentityError
from governd.identity import Attestation, SpiffeId
from governd.identity.svid import Workload
from governd.identity.verification import verify_svid
from governd.observability.identity_metrics import IdentityMetrics
from tests.fakes.time import settle

EMBEDDED = '[identity]\nnode = "node-1"\n'
SPIRE = f'{EMBEDDED}source = "spire"\nspire_admin_socket = "/nowhere/admin.sock"\n'


class Parts:
    """The parts, and what they count."""

    def __init__(self, section: str) -> None:
        self.registry = CollectorRegistry()
        text = f'trust_domain = "example.org"\n{section}'
        config = parse(text, file="governd.toml", base=Path("/"), environ={})
        self.changes = 0
        metrics = IdentityMetrics(self.registry)
        log = structlog.get_logger("identity")
        self.made = IdentityParts(config, metrics, log, self._changed)

    def _changed(self) -> None:
        self.changes += 1

    def count(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
async def embedded() -> AsyncIterator[Parts]:
    parts = Parts(EMBEDDED)
    parts.made.start()
    await asyncio.wait_for(parts.made.ready(), 10)
    yield parts
    await parts.made.close()


async def test_in_development_governd_has_both_identities_at_once(embedded: Parts) -> None:
    own, now = embedded.made.own, datetime.now(UTC)
    assert own.serving.current(now).spiffe_id.path == "/governd/server/node-1"
    assert own.signing.current(now).spiffe_id.path == "/governd/signer/node-1"
    assert own.source == "embedded (development)"
    assert own.state is not None
    assert own.state().ready
    assert embedded.changes > 0


async def test_what_is_served_with_has_a_name_for_stock_clients_and_what_signs_none(
    embedded: Parts,
) -> None:
    signer = embedded.made.own.signing.current(datetime.now(UTC))
    leaves = (embedded.made.serving().chain[0], signer.certificate_chain[0])
    assert [dns_names(leaf) for leaf in leaves] == [["governd"], []]


def dns_names(leaf: bytes) -> list[str]:
    found = x509.load_der_x509_certificate(leaf).extensions
    names = found.get_extension_for_class(x509.SubjectAlternativeName).value
    return list(names.get_values_for_type(x509.DNSName))


async def test_workloads_with_a_fixed_id_get_it_and_are_listed(embedded: Parts) -> None:
    spiffe_id = SpiffeId.parse("spiffe://example.org/agent/writer")
    embedded.made.keeper.open(Workload("writer", spiffe_id=spiffe_id))
    await settle()
    found = embedded.made.list.one("writer")
    assert (found.state.phase, found.attestation) == (Phase.READY, Attestation.STATIC)
    async with contextlib.aclosing(embedded.made.bundles()) as changes:
        bundles = await anext(changes)
    peer = verify_svid(found.state.svids[0].chain, bundles, datetime.now(UTC))
    assert peer.spiffe_id == spiffe_id


async def test_what_is_held_shows_in_the_metrics(embedded: Parts) -> None:
    assert embedded.count("governd_identities_held", source="embedded") == 2
    assert embedded.count("governd_identity_source_up") == 1
    assert embedded.count("governd_identity_issued_total", result="issued") == 2


async def test_nothing_is_asked_before_the_start() -> None:
    parts = Parts(EMBEDDED)
    await settle()
    assert parts.made.keeper.states() == []
    with pytest.raises(IdentityError):
        parts.made.serving()
    with pytest.raises(IdentityError):
        await parts.made.ready()
    await parts.made.close()


async def test_a_spire_agent_is_asked_where_the_configuration_names_one() -> None:
    parts = Parts(SPIRE)
    assert isinstance(parts.made._source, SpireAgent)
    assert parts.made.own.source == "spire"
    assert parts.made.own.state is not None
    assert not parts.made.own.state().ready
    await parts.made.close()
