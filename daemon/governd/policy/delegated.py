"""What policy is told beside a question: for whom the agent acts, and how well it is known.

Where the question is whether it may have a token for an upstream: for which, too.

Values only, whatever it was that said so: an ID token, an access token or an acting-as token
that was verified. Left to others: verifying it (``delegation``, the application), and what
policies see of it (``context``).

Invariants of a ``Delegation``:
    * No two users have one ``user_id``.
    * There is an actor; the first one is who asks (``question``).
    * Every number is within its bounds, and ``expires`` is a moment.
"""

import enum
import math
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from governd.errors import RequestError
from governd.identity import SpiffeId, jose
from governd.identity.user import MAX_BYTES, User
from governd.policy.known_card import KnownCard

MAX_BINDING = 3
"""To the body of the request."""
MAX_KYA_LEVEL = 3
MAX_NAMED_TOOLS = 1024
"""By all details of a delegation, counted for each action and location."""
_SEPARATOR = "#"
_WORD_CHARS = 96


class EvidenceKind(enum.Enum):
    """What proved it; the values are the words of policies."""

    ID_TOKEN = "id_token"  # noqa: S105  a kind of token, and none
    ACCESS_TOKEN = "access_token"  # noqa: S105  likewise
    ACTING_AS = "acting_as"


class DelegatedTools(NamedTuple):
    """Tools that a delegation names: authorization details of the type ``mcp_tool`` (RFC 9396).

    Attributes:
        actions: What may be done, e.g. ``call``.
        locations: With which servers, by SPIFFE ID.
        tools: With which of their tools.
    """

    actions: frozenset[str]
    locations: frozenset[str]
    tools: frozenset[str]

    @property
    def named(self) -> int:
        """How many tools that is, counted for each action and location."""
        return math.prod(map(len, self))


@dataclass(frozen=True, slots=True)
class Delegation:
    """For whom an agent acts.

    Of a question whether to mint, this is the delegation as it will be minted.

    Attributes:
        user: In whose name.
        actors: The agents that act: who asks, then who delegated to it, up to the one that
            the user turned to.
        evidence: What proved it: the acting-as token, and that with which its chain began.
        expires: From when on it counts no more, in seconds since 1970; a skew that was
            allowed for is within.
        scopes: What was delegated, in words (RFC 6749, section 3.3).
        details: What was delegated, tool by tool.
        binding: How tightly the token with which it came was tied to that request, 0 to 3;
            0 where that was no acting-as token.
        kya_level: Of the least known actor, 0 to 3.
        granted: What the user's access token grants, in its issuer's words, of a token that is
            to be minted; ``None`` where ``scopes`` say so (``coverage.granted``).
    """

    user: User
    actors: tuple[SpiffeId, ...]
    evidence: frozenset[EvidenceKind]
    expires: float
    scopes: frozenset[str] = frozenset()
    details: tuple[DelegatedTools, ...] = ()
    binding: int = 0
    kya_level: int = 0
    granted: frozenset[str] | None = None

    def __post_init__(self) -> None:
        """Holds it to the invariants.

        Raises:
            RequestError: It breaks one.
        """
        check_user(self.user, field="delegation.user")
        if not self.actors:
            _refuse("delegation.actors", "expected an actor at least")
        if not self.evidence:
            _refuse("delegation.evidence", "expected a kind of evidence at least")
        if not 0 <= self.expires <= jose.MAX_SECONDS:
            _refuse("delegation.expires", "expected a moment between 1970 and 9999")
        if not 0 <= self.binding <= MAX_BINDING:
            _refuse("delegation.binding", f"expected 0 to {MAX_BINDING}")
        if not 0 <= self.kya_level <= MAX_KYA_LEVEL:
            _refuse("delegation.kya_level", f"expected 0 to {MAX_KYA_LEVEL}")
        if sum(one.named for one in self.details) > MAX_NAMED_TOOLS:
            _refuse("delegation.details", f"name more than {MAX_NAMED_TOOLS} tools in all")

    @property
    def origin(self) -> SpiffeId:
        """The agent that the user turned to."""
        return self.actors[-1]

    @property
    def chars(self) -> int:
        """What keeping it costs, in characters."""
        named = (user_id(self.user), *map(str, self.actors), *self.scopes, *(self.granted or ()))
        tools = (word for one in self.details for words in one for word in words)
        return sum(_WORD_CHARS + len(text) for text in (*named, *tools))

    @property
    def depth(self) -> int:
        """How many agents act; 1 where the user turned to who asks."""
        return len(self.actors)


class TokenWanted(NamedTuple):
    """A token that is asked for.

    Attributes:
        upstream: For which of the policy source's upstreams.
        scopes: What it is to permit (RFC 6749, section 3.3), sorted.
        for_user: Whether it is a user's, for whom the subject acts.
    """

    upstream: str
    scopes: tuple[str, ...]
    for_user: bool

    @property
    def chars(self) -> int:
        """What keeping it costs, in characters."""
        return sum(_WORD_CHARS + len(text) for text in (self.upstream, *self.scopes))


class Circumstances(NamedTuple):
    """What a decision depends on beside the question's words.

    Attributes:
        kya_level: How well the subject is known, 0 to 3, whether or not it acts for anybody.
        delegation: For whom it acts; ``None`` where it acts for itself.
        until: From when on ``kya_level`` or ``kya`` may be another, in seconds since 1970.
        token: Of a question for one: the token that is asked for.
        kya: What the subject's card says; ``None`` at level 0.
    """

    kya_level: int = 0
    delegation: Delegation | None = None
    until: float = math.inf
    token: TokenWanted | None = None
    kya: KnownCard | None = None

    @property
    def ends(self) -> float:
        """From when on something of it counts no more, in seconds since 1970."""
        return min(self.until, self.delegation.expires) if self.delegation else self.until

    @property
    def chars(self) -> int:
        """What keeping them costs beside a question's names, in characters."""
        return sum(one.chars for one in (self.delegation, self.token, self.kya) if one)

    @property
    def limited(self) -> bool:
        """Whether the delegation is for what it names, and for nothing else.

        A user's own token is for all that the user may ask the agent for; the scopes of an
        access token are words of whoever issued it, and policies say what they mean.
        """
        given = self.delegation
        return given is not None and EvidenceKind.ACTING_AS in given.evidence


PLAIN = Circumstances()
"""An agent that acts for itself, and of which nothing is known."""


def check_actor(circumstances: Circumstances, subject: SpiffeId) -> None:
    """Accepts circumstances of a subject: what is delegated to another is not its own to use.

    Raises:
        RequestError: The subject is not the first of the actors.
    """
    delegation = circumstances.delegation
    if delegation is not None and delegation.actors[0] != subject:
        _refuse("delegation.actors", "the first one must be who asks")


def user_id(user: User) -> str:
    """The id of a user's entity: ``<issuer>#<subject>``.

    No issuer has a ``#`` in it (OpenID Connect Core 1.0, section 2: a URL without fragment),
    so the first one parts the two and nothing need be escaped.
    """
    return f"{user.issuer}{_SEPARATOR}{user.subject}"


def read_user(text: str, *, field: str) -> User:
    """The user that an entity's id names.

    Raises:
        RequestError: It names none.
    """
    issuer, _, subject = text.partition(_SEPARATOR)
    user = User(issuer, subject)
    check_user(user, field=field)
    return user


def check_user(user: User, *, field: str) -> None:
    """Accepts a user that can be told from every other.

    Raises:
        RequestError: The issuer or the subject is missing, too long or not text, or the
            issuer has a ``#`` in it.
    """
    if not user.issuer or not user.subject or _SEPARATOR in user.issuer:
        _refuse(field, 'expected "<issuer>#<subject>"')
    for text in (user.issuer, user.subject):
        if not text.isprintable():
            _refuse(field, "must not have control characters")
        if len(text.encode()) > MAX_BYTES:
            _refuse(field, f"has more than {MAX_BYTES} bytes")


def _refuse(field: str, problem: str) -> NoReturn:
    message = f"{field}: {problem}"
    raise RequestError(message, field=field)
