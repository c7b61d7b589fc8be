"""Whose word a policy source takes: issuers of users' tokens, signers, providers of agents.

Values only; what follows of them is for whoever verifies (``delegation``, ``kya``). What is
not stated here counts for nothing: no issuer is trusted because a token names it, no signer
because it is in the trust domain, and no key because a card says where it is.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, model_validator

from governd.errors import RequestError
from governd.policy.canonical import check_service, service_of
from governd.policy.jwk import Jwk
from governd.policy.table import (
    Label,
    Name,
    SpiffeIdText,
    Table,
    TrustDomain,
    WorkloadText,
    refuse_twice,
)

MAX_AGE_SECONDS = 86_400
MAX_LIFETIME_SECONDS = 300
MAX_DEPTH = 8
_CARD_ALGORITHMS = frozenset({None, "ES256", "ES384", "PS256", "RS256"})
_ADDRESS = re.compile(
    r"(?:https://[^/?#@]+|http://(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?)(?:/[^?#]*)?"
)


def is_address(text: str) -> str:
    """Accepts where something is on the web, in its one spelling.

    Raises:
        ValueError: It is something else, or could be read over plain HTTP on its way.
    """
    if not _ADDRESS.fullmatch(text):
        message = "expected a URL of https (of http on this machine) without user, query, fragment"
        raise ValueError(message)
    try:
        check_service(text, field="value")
    except RequestError as error:
        raise ValueError(str(error)) from error
    return text


def _is_audience(text: str) -> str:
    try:
        service_of(text, field="value")
    except RequestError as error:
        raise ValueError(str(error)) from error
    return text


Address = Annotated[str, StringConstraints(max_length=1024), AfterValidator(is_address)]
Audience = Annotated[str, AfterValidator(_is_audience)]
Algorithm = Literal["ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"]


class Issuer(Table):
    """Whose tokens prove who a user is. The user is ``iss`` and ``sub`` of the token.

    Attributes:
        name: For people and metrics.
        issuer: The ``iss`` of its tokens, spelled exactly so.
        audiences: The token has to be for one of them (``aud``).
        kinds: Which of its tokens count.
        jwks_uri: Where its keys are; or ``key``.
        key: Its keys; or ``jwks_uri``.
        algorithms: With which it signs.
        max_age_seconds: From ``iat`` on, how long a token counts at most.
    """

    name: Label
    issuer: Address
    audiences: Annotated[tuple[Audience, ...], Field(min_length=1, max_length=16)]
    kinds: Annotated[tuple[Literal["id_token", "access_token"], ...], Field(min_length=1)]
    jwks_uri: Address | None = None
    key: tuple[Jwk, ...] = ()
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("ES256", "RS256")
    max_age_seconds: Annotated[int, Field(ge=1, le=MAX_AGE_SECONDS, strict=True)] = 3600

    @model_validator(mode="after")
    def _has_keys(self) -> Self:
        if bool(self.key) == bool(self.jwks_uri):
            message = "expected either jwks_uri or key"
            raise ValueError(message)
        refuse_twice("kid", (key.kid for key in self.key))
        return self


def _are_distinct(issuers: tuple[Issuer, ...]) -> tuple[Issuer, ...]:
    refuse_twice("name", (one.name for one in issuers))
    refuse_twice("issuer", (one.issuer for one in issuers))
    return issuers


Issuers = Annotated[tuple[Issuer, ...], AfterValidator(_are_distinct)]


class SignerRule(Table):
    """Who may sign acting-as tokens, and for whom.

    Attributes:
        spiffe_id: A signer; it covers itself and all below it.
        also_for: Trust domains whose agents it may name, beside its own.
    """

    spiffe_id: WorkloadText
    also_for: tuple[TrustDomain, ...] = ()


class DelegationRules(Table):
    """``[delegation]``: whose acting-as tokens count, and what governd's own are like.

    Attributes:
        signer: Whose count; nobody's where none is stated.
        min_binding: How tightly a token has to be tied to its request: 1 to the sender, 2 to
            method and URI, 3 to the body.
        max_depth: Agents that may act one for another.
        lifetime_seconds: Of the tokens that governd signs.
    """

    signer: tuple[SignerRule, ...] = ()
    min_binding: Annotated[int, Field(ge=1, le=3, strict=True)] = 2
    max_depth: Annotated[int, Field(ge=1, le=MAX_DEPTH, strict=True)] = 4
    lifetime_seconds: Annotated[int, Field(ge=1, le=MAX_LIFETIME_SECONDS, strict=True)] = 120

    @model_validator(mode="after")
    def _is_clear(self) -> Self:
        refuse_twice("signer", (one.spiffe_id for one in self.signer))
        return self


class CardKey(Table):
    """A key that signs a provider's agent cards.

    Attributes:
        provider: ``provider.organization`` of those cards.
        jwk: The key: P-256, P-384, or RSA.
        not_after: From when on it counts no more; ``None`` for never.
    """

    provider: Name
    jwk: Jwk
    not_after: AwareDatetime | None = None

    @model_validator(mode="after")
    def _signs_cards(self) -> Self:
        if self.jwk.crv == "P-521" or self.jwk.alg not in {
            None,
            "ES256",
            "ES384",
            "PS256",
            "RS256",
        }:
            message = "expected a key of P-256, P-384 or RSA for ES256, ES384, PS256 or RS256"
            raise ValueError(message)
        return self


class Attester(Table):
    """Who may attest agents' cards.

    Attributes:
        spiffe_id: An attester; it covers itself and all below it.
        max_level: The most that its word is worth.
        agents: Whom it may speak for, likewise; ``None`` for all of its own trust domain.
    """

    spiffe_id: WorkloadText
    max_level: Annotated[int, Field(ge=1, le=3, strict=True)]
    agents: SpiffeIdText | None = None


class CardRule(Table):
    """Which agents may present which cards. What is not stated is not looked at.

    Attributes:
        agents: SPIFFE ID of agents; it covers itself and all below it.
        provider: ``provider.organization`` of the cards.
        name: ``name`` of the cards.
        urls: Every interface of the cards is one of them, spelled exactly so.
    """

    agents: WorkloadText
    provider: Name | None = None
    name: Name | None = None
    urls: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if not (self.provider or self.name or self.urls):
            message = "expected provider, name or urls: any card would be theirs"
            raise ValueError(message)
        return self


class Kya(Table):
    """``[kya]``: what makes agents known.

    Attributes:
        key: Keys of providers.
        attester: Whose attestations count.
        card: Whose card is whose, beside those that an agent signed itself.
    """

    key: tuple[CardKey, ...] = ()
    attester: tuple[Attester, ...] = ()
    card: tuple[CardRule, ...] = ()

    @model_validator(mode="after")
    def _is_clear(self) -> Self:
        refuse_twice("key", (f"{one.provider} {one.jwk.kid}" for one in self.key))
        return self
