"""Workloads that know SPIFFE and nothing of governd: with py-spiffe and with go-spiffe.

    for client in (PySpiffe(address), GoSpiffe(address)):
        assert client.identities().ids == ["spiffe://example.org/web"]

Both verify what they get as their libraries do. ``address`` is what workloads have in
SPIFFE_ENDPOINT_SOCKET.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn, Protocol

import grpc
from cryptography.hazmat.primitives.serialization import Encoding
from spiffe import (
    JwtBundleSet,
    JwtSource,
    JwtSvid,
    SpiffeId,
    WorkloadApiClient,
    X509BundleSet,
    X509Source,
    X509Svid,
)
from spiffe.errors import PySpiffeError
from spiffe.workloadapi.x509_context import X509Context

from governd.identity.verification import verify_svid
from tests.spiffe_parts import PATIENCE_SECONDS, Event, Events, GoClient

_STATUS = {code.name.replace("_", "").lower(): code for code in grpc.StatusCode}


@dataclass(frozen=True)
class Identities:
    """X.509-SVIDs, verified, and the trust bundles that came with them.

    Attributes:
        ids: SPIFFE IDs, the default one first.
        serial: Of the default SVID's certificate.
        domains: The trust domains of the bundles, sorted.
    """

    ids: Sequence[str]
    serial: str
    domains: Sequence[str]


@dataclass(frozen=True)
class Token:
    """A JWT-SVID, validated with JWT bundles.

    Attributes:
        spiffe_id: Its subject.
        text: The token.
    """

    spiffe_id: str
    text: str


class RefusedError(Exception):
    """The Workload API refused a call."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        """Takes the status."""
        super().__init__(f"{code.name}: {message}")
        self.code = code


class Watching(Protocol):
    """A workload that keeps its streams open."""

    def until(self, wanted: Callable[[Identities], bool]) -> Identities:
        """What it has as soon as that is wanted."""


class StockClient(Protocol):
    """What a workload does."""

    def identities(self) -> Identities:
        """Fetches X.509-SVIDs and bundles, and verifies each with each other.

        Raises:
            RefusedError: The call was refused.
        """

    def tokens(self, *audiences: str, spiffe_id: str = "") -> Sequence[Token]:
        """Fetches JWT-SVIDs, and validates each with the JWT bundles.

        Raises:
            RefusedError: The call was refused.
        """

    def validate(self, token: str, audience: str) -> str:
        """Has a token validated; whose it is.

        Raises:
            RefusedError: The call was refused.
        """

    def watch(self) -> "contextlib.AbstractContextManager[Watching]":
        """Keeps X.509-SVIDs and bundles up to date."""


class PySpiffe:
    """A workload with py-spiffe."""

    def __init__(self, address: str) -> None:
        """Takes the Workload API's address."""
        self._address = address

    def identities(self) -> Identities:
        """See ``StockClient``."""
        with self._client() as client:
            context = client.fetch_x509_context(timeout=PATIENCE_SECONDS)
            bundles = client.fetch_x509_bundles(timeout=PATIENCE_SECONDS)
        assert bundles.bundles == context.x509_bundle_set.bundles
        return _of_context(context)

    def tokens(self, *audiences: str, spiffe_id: str = "") -> Sequence[Token]:
        """See ``StockClient``."""
        subject = SpiffeId(spiffe_id) if spiffe_id else None
        with self._client() as client:
            found = client.fetch_jwt_svids(set(audiences), subject, timeout=PATIENCE_SECONDS)
            bundles = client.fetch_jwt_bundles(timeout=PATIENCE_SECONDS)
        return [_validated(svid, bundles, set(audiences)) for svid in found]

    def validate(self, token: str, audience: str) -> str:
        """See ``StockClient``."""
        with self._client() as client:
            found = client.validate_jwt_svid(token, audience, timeout=PATIENCE_SECONDS)
            return str(found.spiffe_id)

    @contextlib.contextmanager
    def watch(self) -> Iterator["PySources"]:
        """See ``StockClient``."""
        x509 = X509Source(socket_path=self._address, timeout_in_seconds=PATIENCE_SECONDS)
        jwt = JwtSource(socket_path=self._address, timeout_in_seconds=PATIENCE_SECONDS)
        with x509, jwt:
            yield PySources(x509, jwt)

    @contextlib.contextmanager
    def _client(self) -> Iterator[WorkloadApiClient]:
        with WorkloadApiClient(self._address) as client:
            try:
                yield client
            except PySpiffeError as error:
                _raise_status(error)


class PySources:
    """py-spiffe's sources, which keep themselves up to date.

    Attributes:
        jwt: Gives tokens.
    """

    def __init__(self, x509: X509Source, jwt: JwtSource) -> None:
        """Takes both."""
        self._x509 = x509
        self.jwt = jwt

    def until(self, wanted: Callable[[Identities], bool]) -> Identities:
        """See ``Watching``."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            found = _of_context(self._x509.get_x509_context())
            if wanted(found):
                return found
            assert time.monotonic() < end, f"it was not told; the last was {found}"
            time.sleep(0.01)


class GoSpiffe:
    """A workload with go-spiffe."""

    def __init__(self, address: str) -> None:
        """Takes the Workload API's address."""
        self._client = GoClient(address)

    def identities(self) -> Identities:
        """See ``StockClient``."""
        return _of_event(_answered(self._client.x509()))

    def tokens(self, *audiences: str, spiffe_id: str = "") -> Sequence[Token]:
        """See ``StockClient``."""
        told = [_answered(one) for one in self._client.jwt(*audiences, spiffe_id=spiffe_id)]
        assert all(set(one["audience"]) == set(audiences) for one in told)
        return [Token(one["id"], one["token"]) for one in told]

    def validate(self, token: str, audience: str) -> str:
        """See ``StockClient``."""
        return str(_answered(self._client.validate(token, audience))["id"])

    @contextlib.contextmanager
    def watch(self) -> Iterator["GoEvents"]:
        """See ``StockClient``."""
        with self._client.watch() as events:
            yield GoEvents(events)


class GoEvents:
    """What go-spiffe's watchers are told.

    Attributes:
        events: All of it.
    """

    def __init__(self, events: Events) -> None:
        """Takes the events."""
        self.events = events

    def until(self, wanted: Callable[[Identities], bool]) -> Identities:
        """See ``Watching``."""
        found = self.events.until(
            lambda one: one["event"] == "x509" and wanted(_of_event(one["x509"]))
        )
        return _of_event(found["x509"])


def _of_context(context: X509Context) -> Identities:
    bundles = context.x509_bundle_set
    for svid in context.x509_svids:
        _verify(svid, bundles)
    return Identities(
        [str(svid.spiffe_id) for svid in context.x509_svids],
        str(context.default_svid.leaf.serial_number),
        sorted(bundle.trust_domain.name for bundle in bundles.bundles),
    )


def _verify(svid: X509Svid, bundles: X509BundleSet) -> None:
    """What py-spiffe leaves to TLS: that the chain leads to the bundle, and the key fits."""
    chain = [one.public_bytes(Encoding.DER) for one in svid.cert_chain]
    trusted = {
        bundle.trust_domain.name: [
            one.public_bytes(Encoding.DER) for one in bundle.x509_authorities
        ]
        for bundle in bundles.bundles
    }
    peer = verify_svid(chain, trusted, datetime.now(UTC))
    assert str(peer.spiffe_id) == str(svid.spiffe_id)
    assert svid.private_key.public_key() == svid.leaf.public_key()


def _validated(svid: JwtSvid, bundles: JwtBundleSet, audiences: set[str]) -> Token:
    bundle = bundles.get_bundle_for_trust_domain(svid.spiffe_id.trust_domain)
    assert bundle is not None
    for audience in audiences:
        found = JwtSvid.parse_and_validate(svid.token, bundle, {audience})
        assert found.spiffe_id == svid.spiffe_id
    assert svid.audience == audiences
    return Token(str(svid.spiffe_id), svid.token)


def _of_event(told: Event) -> Identities:
    svids = told["svids"]
    return Identities([one["id"] for one in svids], svids[0]["serial"], sorted(told["bundles"]))


def _answered(told: Event) -> Event:
    if "code" in told:
        raise RefusedError(_STATUS[told["code"].lower()], told["message"])
    return told


def _raise_status(error: PySpiffeError) -> NoReturn:
    cause = error.__cause__
    if not isinstance(cause, grpc.Call):
        raise error
    raise RefusedError(cause.code(), cause.details()) from error
