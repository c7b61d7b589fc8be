"""What a SPIRE agent says, as values, once it has been checked.

An agent is trusted to say who a workload is, not to say it without mistakes: an answer that
does not hold, or is not of our trust domain, is refused as a whole. What it says of a
federated trust domain was written elsewhere and spoils only that domain's trust bundle.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from governd._proto.spire.api.agent.delegatedidentity.v1.delegatedidentity_pb2 import (
    FetchJWTSVIDsResponse,
    SubscribeToJWTBundlesResponse,
    SubscribeToX509BundlesResponse,
    SubscribeToX509SVIDsResponse,
)
from governd._proto.spire.api.types import types_pb2
from governd.errors import InvalidIdentityError, NoIdentityError, RequestError
from governd.identity import SpiffeId, jwt_material, x509_material
from governd.identity.svid import JwtSvid, Selector, TrustBundles, Workload, WorkloadSvids

MAX_HINT_BYTES = 1024
Bundle = TypeVar("Bundle")


def selectors(workload: Workload) -> list[types_pb2.Selector]:
    """What is known of a workload, as a request says it."""
    return [_selector(selector) for selector in workload.selectors]


def read_x509_svids(
    response: SubscribeToX509SVIDsResponse, workload: Workload, trust_domain: str
) -> WorkloadSvids:
    """The X.509-SVIDs of a workload.

    Raises:
        InvalidIdentityError: One does not hold, or is not of ``trust_domain``.
    """
    svids = []
    for one in response.x509_svids:
        spiffe_id, hint = _spiffe_id(one.x509_svid.id, trust_domain), _hint(one.x509_svid.hint)
        chain, key = one.x509_svid.cert_chain, one.x509_svid_key
        svids.append(x509_material.x509_svid(spiffe_id, chain, key, hint=hint))
    federates_with = frozenset(map(x509_material.trust_domain, response.federates_with))
    allowed = tuple(svid for svid in svids if workload.spiffe_id in {None, svid.spiffe_id})
    return WorkloadSvids(allowed, federates_with if allowed else frozenset())


def read_jwt_svids(
    response: FetchJWTSVIDsResponse,
    workload: Workload,
    audiences: Sequence[str],
    trust_domain: str,
) -> tuple[JwtSvid, ...]:
    """The JWT-SVIDs of a workload.

    Raises:
        InvalidIdentityError: One does not hold, or is not of ``trust_domain``.
        NoIdentityError: There is none.
    """
    svids = []
    for one in response.svids:
        spiffe_id, hint = _spiffe_id(one.id, trust_domain), _hint(one.hint)
        svids.append(jwt_material.jwt_svid(spiffe_id, one.token, audiences, hint=hint))
    allowed = tuple(svid for svid in svids if workload.spiffe_id in {None, svid.spiffe_id})
    if not allowed:
        message = "no registration entry matches"
        raise NoIdentityError(message)
    return allowed


def read_bundles(
    x509: SubscribeToX509BundlesResponse, jwt: SubscribeToJWTBundlesResponse, trust_domain: str
) -> TrustBundles:
    """The trust bundles of this and of federated trust domains.

    Raises:
        InvalidIdentityError: That of ``trust_domain`` is missing or does not hold, or one
            trust domain comes in two spellings.
    """
    authorities = _by_domain(x509.ca_certificates, x509_material.authorities)
    key_sets = _by_domain(jwt.bundles, jwt_material.key_set)
    named = {*authorities, *key_sets}
    refused = frozenset(
        one for one in named if authorities.get(one) is None or key_sets.get(one) is None
    )
    if trust_domain in refused or trust_domain not in named:
        message = f"trust bundle: that of {trust_domain} is missing or does not hold"
        raise InvalidIdentityError(message)
    return TrustBundles(_but(authorities, refused), _but(key_sets, refused), refused)


def _but(found: Mapping[str, Bundle | None], refused: frozenset[str]) -> dict[str, Bundle]:
    return {
        one: bundle for one, bundle in found.items() if bundle is not None and one not in refused
    }


def _selector(selector: Selector) -> types_pb2.Selector:
    return types_pb2.Selector(type=selector.type, value=selector.value)


def _spiffe_id(message: types_pb2.SPIFFEID, trust_domain: str) -> SpiffeId:
    try:
        spiffe_id = SpiffeId.parse(f"spiffe://{message.trust_domain}{message.path}")
    except RequestError as error:
        raise InvalidIdentityError(str(error)) from None
    if spiffe_id.trust_domain != trust_domain or message.trust_domain != trust_domain:
        problem = f"{spiffe_id}: expected a SPIFFE ID of the trust domain {trust_domain}"
        raise InvalidIdentityError(problem)
    return spiffe_id


def _hint(text: str) -> str:
    if len(text.encode()) > MAX_HINT_BYTES:
        message = f"hint: expected at most {MAX_HINT_BYTES} bytes"
        raise InvalidIdentityError(message)
    return text


def _by_domain(
    said: Mapping[str, bytes], read: Callable[[bytes], Bundle]
) -> dict[str, Bundle | None]:
    """What was said of each trust domain; ``None`` where it does not hold."""
    found: dict[str, Bundle | None] = {}
    for text, data in said.items():
        domain = x509_material.trust_domain(text)
        if domain in found:
            message = f"trust bundle: {domain} comes in two spellings"
            raise InvalidIdentityError(message)
        try:
            found[domain] = read(data)
        except InvalidIdentityError:
            found[domain] = None
    return found
