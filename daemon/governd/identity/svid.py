"""Workloads, and what is issued to them.

The words are SPIFFE's: an SVID is a document that proves a SPIFFE ID, as an X.509
certificate or as a token; a trust bundle is what verifies the SVIDs of one trust domain
(https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE.md). These are values: who
makes one from what came from outside checks it first (``x509_material``, ``jwt_material``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from governd.errors import RequestError
from governd.identity.secret import Secret
from governd.identity.spiffe_id import SpiffeId

MAX_SELECTOR_BYTES = 4096


@dataclass(frozen=True, slots=True, order=True)
class Selector:
    """One property of a workload by which registration entries find it.

    Attributes:
        type: Who knows of the property, e.g. ``k8s``. Has no colon.
        value: The property, e.g. ``ns:default``.
    """

    type: str
    value: str

    @classmethod
    def parse(cls, text: str, *, field: str = "selector") -> Self:
        """Reads ``type:value``.

        Args:
            text: The selector, as SPIRE writes it, e.g. ``k8s:ns:default``.
            field: Named in the error.

        Raises:
            RequestError: The text is no selector.
        """
        kind, _, value = text.partition(":")
        fits = len(text.encode("utf-8", "replace")) <= MAX_SELECTOR_BYTES
        if not kind or not value or not fits or not text.isprintable():
            message = (
                f'{field}: expected "type:value" of at most {MAX_SELECTOR_BYTES} bytes, '
                "without control characters"
            )
            raise RequestError(message, field=field)
        return cls(kind, value)

    def __str__(self) -> str:
        """``type:value``."""
        return f"{self.type}:{self.value}"


@dataclass(frozen=True, slots=True)
class Workload:
    """Somebody for whom governd holds identities.

    Attributes:
        name: What operators know it by; not its identity.
        selectors: What is known of it; which entries match decides who it is.
        spiffe_id: The one ID that it may have, where the configuration fixes it.
        facts: What else its attestation told.
        own: Whether it is governd itself, so that governd's own IDs are for it.
    """

    name: str
    selectors: tuple[Selector, ...] = ()
    spiffe_id: SpiffeId | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    own: bool = False


@dataclass(frozen=True, slots=True, weakref_slot=True)
class X509Svid:
    """An X.509-SVID with its private key.

    Attributes:
        spiffe_id: The one URI SAN of the leaf.
        chain: DER certificates, the leaf first, without the root.
        key: The leaf's private key, PKCS #8 in DER.
        hint: The operator's word on what it is for; ``""`` for none.
        not_before: When the leaf begins to count, in UTC.
        not_after: When it ends, in UTC.
    """

    spiffe_id: SpiffeId
    chain: tuple[bytes, ...]
    key: Secret
    hint: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True, weakref_slot=True)
class JwtSvid:
    """A JWT-SVID: whoever has it is taken for the workload by its audience.

    Attributes:
        spiffe_id: Its ``sub``.
        token: JWS compact serialisation.
        hint: The operator's word on what it is for; ``""`` for none.
        not_after: Its ``exp``, in UTC.
    """

    spiffe_id: SpiffeId
    token: Secret
    hint: str
    not_after: datetime


@dataclass(frozen=True, slots=True)
class WorkloadSvids:
    """All that is issued to a workload at one moment.

    Attributes:
        svids: Its X.509-SVIDs, the default one first; empty where nothing is issued to it.
        federates_with: The other trust domains whose bundles it is to have.
    """

    svids: tuple[X509Svid, ...] = ()
    federates_with: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TrustBundles:
    """What verifies the SVIDs of each trust domain. Never merged.

    Attributes:
        x509: DER certificates of its authorities, by trust domain.
        jwt: A JWKS document (RFC 7517, section 5), by trust domain.
        refused: Federated trust domains that are trusted for nothing, because what came
            for them does not hold.
    """

    x509: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    jwt: Mapping[str, bytes] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()
