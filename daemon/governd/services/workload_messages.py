"""Between what a workload may see and the messages of the SPIFFE Workload API.

The only place where private keys and tokens leave their ``Secret``, on their way to the
workload whose they are.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from governd.application.workload_view import View, jwt_bundles, x509_bundles
from governd.errors import RequestError
from governd.identity import jwt_keys
from governd.identity.jwt_verification import VerifiedToken
from governd.identity.svid import JwtSvid, X509Svid
from governd.services.workload_stubs import messages


class Issued(NamedTuple):
    """What ``FetchX509SVID`` tells.

    Attributes:
        svids: The workload's X.509-SVIDs, the default one first.
        bundles: X.509 authorities of its own and of federated trust domains.
    """

    svids: tuple[X509Svid, ...]
    bundles: Mapping[str, tuple[bytes, ...]]


def see_issued(seen: View) -> Issued:
    """What of a view makes an ``X509SVIDResponse``.

    Raises:
        IdentityError: A trust bundle is not there.
    """
    return Issued(seen.svids, x509_bundles(seen))


def issued(value: Issued) -> messages.X509SVIDResponse:
    """X.509-SVIDs with keys, and trust bundles."""
    own = {svid.spiffe_id.trust_domain for svid in value.svids}
    hints = _distinct([svid.hint for svid in value.svids])
    return messages.X509SVIDResponse(
        svids=[
            messages.X509SVID(
                spiffe_id=str(svid.spiffe_id),
                x509_svid=b"".join(svid.chain),
                x509_svid_key=svid.key.reveal(),
                bundle=b"".join(value.bundles[svid.spiffe_id.trust_domain]),
                hint=hint,
            )
            for svid, hint in zip(value.svids, hints, strict=True)
        ],
        federated_bundles={
            _id_of(domain): b"".join(bundle)
            for domain, bundle in value.bundles.items()
            if domain not in own
        },
    )


def x509_authorities(
    bundles: Mapping[str, tuple[bytes, ...]],
) -> messages.X509BundlesResponse:
    """X.509 trust bundles."""
    return messages.X509BundlesResponse(
        bundles={_id_of(domain): b"".join(bundle) for domain, bundle in bundles.items()}
    )


def see_jwt_keys(seen: View) -> Mapping[str, bytes]:
    """What of a view makes a ``JWTBundlesResponse``: keys for JWT-SVIDs and for nothing else.

    Raises:
        IdentityError: A trust bundle is not there.
    """
    return {domain: jwt_keys.published(keys) for domain, keys in jwt_bundles(seen).items()}


def jwt_authorities(key_sets: Mapping[str, bytes]) -> messages.JWTBundlesResponse:
    """JWT trust bundles."""
    return messages.JWTBundlesResponse(
        bundles={_id_of(domain): keys for domain, keys in key_sets.items()}
    )


def tokens(svids: Sequence[JwtSvid]) -> messages.JWTSVIDResponse:
    """JWT-SVIDs."""
    hints = _distinct([svid.hint for svid in svids])
    return messages.JWTSVIDResponse(
        svids=[
            messages.JWTSVID(
                spiffe_id=str(svid.spiffe_id), svid=svid.token.reveal().decode(), hint=hint
            )
            for svid, hint in zip(svids, hints, strict=True)
        ]
    )


def validated(token: VerifiedToken) -> messages.ValidateJWTSVIDResponse:
    """Whose a token is, and its claims.

    Raises:
        RequestError: The claims cannot be told: too deep, or texts that are no Unicode.
    """
    claims = Struct()
    try:
        json_format.ParseDict(dict(token.claims), claims)
    except (json_format.ParseError, ValueError, OverflowError):
        message = "svid: has claims that cannot be told"
        raise RequestError(message, field="svid") from None
    return messages.ValidateJWTSVIDResponse(spiffe_id=str(token.spiffe_id), claims=claims)


def _distinct(hints: Sequence[str]) -> list[str]:
    """Hints of which none comes twice: the standard has the first one count."""
    return [hint if hint not in hints[:place] else "" for place, hint in enumerate(hints)]


def _id_of(trust_domain: str) -> str:
    return f"spiffe://{trust_domain}"
