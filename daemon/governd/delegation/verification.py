"""Whether a receiver takes a token.

The steps are those of ``docs/delegation.md``, in their order; the first that fails is told.
Steps 1 to 6 are ``opening``'s; here are 7 to 13. What the token then permits is policy's
word, step 14.

Promises:
    * A token counts for its one audience, from an allowed signer, within its time, and tied
      at least as tightly as the receiver demands.
    * Whatever a token is tied to is checked: what the receiver cannot see, it refuses.
    * A token is remembered as used only when nothing before that step speaks against it.
    * Whatever the text, the answer is ``Verified`` or ``Rejected``, and nothing is raised.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from governd.delegation.acting_as import MAX_LIFETIME_SECONDS, SKEW_SECONDS, ActingAs, loops
from governd.delegation.binding import BindingLevel, tied
from governd.delegation.expectations import Arrival, Expectations
from governd.delegation.opening import Opened, Opener
from governd.delegation.rejection import Reason, Rejected, RejectionError
from governd.delegation.replay import Admission, Replay
from governd.identity import SpiffeId


@dataclass(frozen=True, slots=True)
class Verified:
    """A token that counts here. Made by a ``Receiver`` alone.

    Attributes:
        token: What it says.
        binding: How tightly it was tied to the request with which it came.
        digest: Its name in records (``opening.name_of``).
    """

    token: ActingAs
    binding: BindingLevel
    digest: str

    @property
    def signer(self) -> SpiffeId:
        """Who vouches for it."""
        return self.token.issuer

    @property
    def expires(self) -> datetime:
        """When it ends, in UTC."""
        return datetime.fromtimestamp(self.token.expires_at, UTC)


class Receiver:
    """Takes or rejects tokens."""

    def __init__(self, opener: Opener, replay: Replay) -> None:
        """Takes what knows the trust bundles, and what knows which tokens were used."""
        self._opener = opener
        self._replay = replay

    def receive(
        self, text: str, expected: Expectations, arrival: Arrival, now: datetime
    ) -> Verified | Rejected:
        """Whether a receiver takes the token that came with a request.

        Args:
            text: The token, as ``carriage`` took it out of the request.
            expected: What the receiver expects of every token.
            arrival: How this one came.
            now: The time, in UTC.
        """
        try:
            opened = self._opener.open(text, now)
            _check_receiver(opened, expected, now)
            binding = _bound(opened.token, arrival)
            if binding < expected.least_binding:
                _reject(Reason.BINDING_TOO_WEAK, f"is tied to {binding.name}, which is too little")
            _check_replay(opened.token, self._replay, now)
            _check_chain(opened.token)
            _check_revoked(opened.token, expected)
        except RejectionError as error:
            return error.rejected
        return Verified(opened.token, binding, opened.digest)

    def inspect(self, text: str, expected: Expectations, now: datetime) -> Verified | Rejected:
        """Whether a token counts that its audience holds, and shows as evidence.

        It came with a request to its audience, which received it there: this is about what
        it says, for whoever the channel proves to be that audience. Its ties are not
        checked, it is not used up, and it has no binding.

        Args:
            text: The token.
            expected: As for ``receive``; ``audiences`` is who shows it.
            now: The time, in UTC.
        """
        try:
            opened = self._opener.open(text, now)
            _check_receiver(opened, expected, now)
            _check_chain(opened.token)
            _check_revoked(opened.token, expected)
        except RejectionError as error:
            return error.rejected
        return Verified(opened.token, BindingLevel.UNSAFE_NONE, opened.digest)


def _check_receiver(opened: Opened, expected: Expectations, now: datetime) -> None:
    """Steps 7 to 9."""
    token = opened.token
    rules = [rule for rule in expected.issuers if rule.admits(token.issuer)]
    if not rules:
        _reject(Reason.ISSUER_NOT_ALLOWED, "iss: is no signer that is allowed here")
    if not all(any(rule.covers(actor) for rule in rules) for actor in token.actors):
        _reject(Reason.ACTOR_NOT_ISSUERS, "act: has an actor that the signer may not name")
    if token.audience not in expected.audiences:
        _reject(Reason.AUDIENCE, "aud: is somebody else")
    _check_time(opened, now.timestamp())


def _check_time(opened: Opened, now: float) -> None:
    token = opened.token
    if token.issued_at > now + SKEW_SECONDS:
        _reject(Reason.NOT_YET_VALID, "iat: is in the future")
    if token.expires_at + SKEW_SECONDS <= now:
        _reject(Reason.EXPIRED, "exp: is in the past")
    if not 0 < token.expires_at - token.issued_at <= MAX_LIFETIME_SECONDS:
        _reject(Reason.LIFETIME, f"exp: is not within {MAX_LIFETIME_SECONDS} s of iat")
    if token.expires_at > opened.signer.not_after.timestamp():
        _reject(Reason.OUTLIVES_SIGNER, "exp: is later than the signer's end")


def _bound(token: ActingAs, arrival: Arrival) -> BindingLevel:
    """Steps 10 and 11: how tightly it was tied, all ties being right."""
    _check_request(token, arrival)
    _check_caller(token, arrival)
    if arrival.peer is None:
        return BindingLevel.UNSAFE_NONE
    return tied(token.request)


def _check_request(token: ActingAs, arrival: Arrival) -> None:
    wanted, came = token.request, arrival.request
    if wanted is None:
        return
    if came is None or wanted.method != came.method:
        _reject(Reason.REQUEST_METHOD, "htm: is not the request's")
    if wanted.uri != came.uri or wanted.query != came.query:
        _reject(Reason.REQUEST_URI, "htu, htq: are not the request's")
    if wanted.body is not None and wanted.body != came.body:
        _reject(Reason.REQUEST_BODY, "cdg: is not the request's")


def _check_caller(token: ActingAs, arrival: Arrival) -> None:
    if arrival.peer is not None and arrival.peer != token.actor:
        _reject(Reason.CALLER, "act: is not who sent it")
    if token.certificate is not None and token.certificate != arrival.certificate:
        _reject(Reason.CALLER_CERTIFICATE, "cnf: is not the certificate of who sent it")


def _check_replay(token: ActingAs, replay: Replay, now: datetime) -> None:
    """Step 12."""
    until = datetime.fromtimestamp(token.expires_at, UTC) + timedelta(seconds=SKEW_SECONDS)
    admission = replay.admit(token, until, now)
    if admission is Admission.REPLAYED:
        _reject(Reason.REPLAYED, "jti: was used already")
    if admission is Admission.UNKNOWN:
        _reject(Reason.REPLAY_UNKNOWN, "jti: there is no room to remember it as used")


def _check_chain(token: ActingAs) -> None:
    """Step 13, what the chain itself shows."""
    if token.depth > token.max_depth:
        _reject(Reason.DEPTH, "dep: is more than mdp")
    if loops(token.actors):
        _reject(Reason.LOOP, "act: has an actor twice")
    if (token.parent is not None) != (token.depth > 1):
        _reject(Reason.PARENT, "pth: goes with more than one actor, and only then")


def _check_revoked(token: ActingAs, expected: Expectations) -> None:
    if expected.revocations.contains(token):
        _reject(Reason.REVOKED, "is revoked")


def _reject(reason: Reason, message: str) -> NoReturn:
    raise RejectionError(reason, message)
