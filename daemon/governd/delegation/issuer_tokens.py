"""Whether a token of an issuer proves in whose name somebody acts.

Two kinds: ID tokens (OpenID Connect Core 1.0, section 3.1.3.7) and access tokens in JWT form
(RFC 9068, section 4), with RFC 8725 for what has gone wrong with tokens elsewhere. Where the
keys are is left to others; signatures are joserfc's, texts are read by ``jose``.

Promises:
    * Only an issuer that policy names counts, spelled exactly so, and only with its own keys
      and algorithms. The token brings neither: ``jku``, ``jwk``, ``x5u``, ``x5c`` and
      ``crit`` are refused, as is every header that is not known here.
    * Of what is not signed nothing but the issuer, the key's id and the algorithm is used.
    * An ID token is no access token, and the other way round.
    * An audience that is a SPIFFE ID is that workload's: nobody else may show the token.
    * Whatever the token, nothing but an ``EvidenceError`` is raised, and that quotes nothing.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, NoReturn

from joserfc import jws
from joserfc.errors import JoseError

from governd.delegation import issuer_claims
from governd.delegation.evidence_faults import EvidenceError, EvidenceFault
from governd.delegation.issuer_claims import Terms
from governd.delegation.issuer_key_set import IssuerKeySet
from governd.delegation.revocations import Revocations
from governd.errors import RequestError
from governd.identity import SpiffeId, jose
from governd.identity.secret import Secret
from governd.policy.delegated import Delegation, EvidenceKind
from governd.policy.trusted import Issuer

_HEADERS = frozenset({"alg", "kid", "typ", "x5t", "x5t#S256"})
"""Thumbprints are hints of which key it was: they bring none."""
_TYPES: Mapping[EvidenceKind, tuple[str | None, ...]] = {
    EvidenceKind.ID_TOKEN: (None, "jwt"),
    EvidenceKind.ACCESS_TOKEN: ("at+jwt", "application/at+jwt"),
}
"""``typ`` in lower case (RFC 7519, section 5.1; RFC 9068, section 2.1)."""
_MAX_KEY_ID_BYTES = 256


class Opened(NamedTuple):
    """A token that says whose it is. Nothing of it is verified.

    Attributes:
        token: All of it.
        kind: What it is shown as.
        issuer: Whose it says it is, as policy names it.
        algorithm: With which it says it is signed; the issuer signs with it.
        key_id: Which key it says that was.
    """

    token: Secret
    kind: EvidenceKind
    issuer: Issuer
    algorithm: str
    key_id: str


def open_token(token: Secret, kind: EvidenceKind, issuers: Iterable[Issuer]) -> Opened:
    """Finds out whose keys to verify a token with.

    Args:
        token: A compact JWS.
        kind: What it is shown as: an ID token or an access token.
        issuers: Those that policy names.

    Raises:
        EvidenceError: It is no such token of one of them.
    """
    try:
        header, claims = jose.read_token(token.reveal().decode("ascii"))
    except ValueError:
        _refuse(EvidenceFault.FORM, "does not parse")
    if not header.keys() <= _HEADERS:
        _refuse(EvidenceFault.HEADER, "has headers other than alg, kid and typ")
    issuer = _issuer(claims.get("iss"), kind, issuers)
    _check_type(header, kind)
    algorithm, key_id = header.get("alg"), header.get("kid")
    if algorithm not in issuer.algorithms:
        _refuse(EvidenceFault.ALGORITHM, "has an algorithm that its issuer does not sign with")
    if not isinstance(key_id, str) or len(key_id) > _MAX_KEY_ID_BYTES:
        _refuse(EvidenceFault.KEY, "does not say which key signed it")
    return Opened(token, kind, issuer, str(algorithm), key_id)


def verify(
    opened: Opened, keys: IssuerKeySet, shown_by: SpiffeId, revoked: Revocations, now: float
) -> Delegation:
    """What a token proves.

    Args:
        opened: The token.
        keys: Its issuer's.
        shown_by: Who shows it, as the channel says.
        revoked: What counts no longer.
        now: Seconds since 1970.

    Raises:
        EvidenceError: It proves nothing here.
    """
    claims = _signed(opened, keys)
    terms = Terms(opened.issuer, opened.kind, shown_by, revoked, now)
    try:
        return issuer_claims.delegation(claims, terms)
    except RequestError as error:  # its words name the claim and quote nothing
        _refuse(EvidenceFault.CLAIMS, str(error))


def _issuer(iss: object, kind: EvidenceKind, issuers: Iterable[Issuer]) -> Issuer:
    found = next((one for one in issuers if one.issuer == iss), None)
    if found is None:
        _refuse(EvidenceFault.ISSUER, "is of an issuer that policy does not name")
    if kind.value not in found.kinds:
        _refuse(EvidenceFault.ISSUER, "policy takes no such tokens of its issuer")
    return found


def _check_type(header: Mapping[str, Any], kind: EvidenceKind) -> None:
    typ = header.get("typ") if "typ" in header else None
    said = typ.lower() if isinstance(typ, str) else typ
    if said not in _TYPES[kind] or (said is None and "typ" in header):
        _refuse(EvidenceFault.TYPE, "typ: is another kind of token than it is shown as")


def _signed(opened: Opened, keys: IssuerKeySet) -> Mapping[str, Any]:
    """The claims, out of the bytes that are signed."""
    key = keys.find(opened.key_id, opened.algorithm)
    if key is None:
        _refuse(EvidenceFault.KEY, "is signed with no key of its issuer")
    try:
        signed = jws.deserialize_compact(opened.token.reveal(), key, [opened.algorithm])
    except (JoseError, ValueError):
        _refuse(EvidenceFault.SIGNATURE, "is not signed with the key that it names")
    return jose.read_object(signed.payload)


def _refuse(fault: EvidenceFault, why: str) -> NoReturn:
    # Not chained: a parser's words may quote what it read.
    raise EvidenceError(fault, why) from None
