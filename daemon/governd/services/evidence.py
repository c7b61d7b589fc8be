"""Evidence in questions: verified before policy is asked.

A question with evidence becomes one with a delegation. Evidence that does not hold is an error
of that question, and no question is asked without it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from governd._proto.governd.v1 import types_pb2
from governd.application.evidence import Shown
from governd.delegation.expectations import Arrival
from governd.errors import RequestError
from governd.identity import Caller, SpiffeId
from governd.identity.secret import Secret
from governd.policy.delegated import Circumstances, Delegation, EvidenceKind

KINDS = {
    "id_token": EvidenceKind.ID_TOKEN,
    "access_token": EvidenceKind.ACCESS_TOKEN,
    "acting_as_token": EvidenceKind.ACTING_AS,
}
"""By the names of ``Evidence``'s members."""
MAX_BYTES = 16_384


class Verifies(Protocol):
    """What verifies evidence (``application.evidence.EvidenceVerifier``)."""

    async def verify(self, shown: Shown, caller: Caller, now: float) -> Delegation:
        """What evidence proves for whoever shows it."""


class EvidenceReader:
    """Reads evidence in questions, and has it verified."""

    def __init__(self, verifier: Verifies, *, wall_clock: Callable[[], float]) -> None:
        """Takes what verifies, and seconds since 1970."""
        self._verifier = verifier
        self._wall_clock = wall_clock

    async def circumstances(
        self, evidence: types_pb2.Evidence, subject: SpiffeId, caller: Caller, *, field: str
    ) -> Circumstances:
        """For whom the subject of a question acts.

        Args:
            evidence: What was shown.
            subject: Who the question is about.
            caller: Who asks it.
            field: Where the evidence stands in the request.

        Raises:
            RequestError: It is malformed, or shows nothing of another subject.
            EvidenceError: It does not hold.
            EvidenceUnavailableError: That cannot be told now.
        """
        found = shown(evidence, field=field)
        if subject != caller.spiffe_id:
            if found.kind is not EvidenceKind.ACTING_AS:
                message = f"{field}: of another subject only an acting-as token is taken"
                raise RequestError(message, field=field)
            found = replace(found, arrival=Arrival(subject))
        delegation = await self._verifier.verify(found, caller, self._wall_clock())
        return Circumstances(delegation=delegation)


def shown(evidence: types_pb2.Evidence, *, field: str) -> Shown:
    """Evidence as a value. Nothing of it is verified.

    Raises:
        RequestError: There is none, or more than any token has; ``field`` is where it stands.
    """
    member = evidence.WhichOneof("token")
    if member is None:
        message = f"{field}: expected exactly one token"
        raise RequestError(message, field=field)
    return Shown(KINDS[member], secret(getattr(evidence, member), field=f"{field}.{member}"))


def secret(text: str, *, field: str) -> Secret:
    """A token that came with a request.

    Raises:
        RequestError: It is empty, too long, or no ASCII.
    """
    if not text:
        message = f"{field}: required"
        raise RequestError(message, field=field)
    if len(text) > MAX_BYTES or not text.isascii():
        message = f"{field}: expected a compact JWS of at most {MAX_BYTES} bytes"
        raise RequestError(message, field=field)
    return Secret(text.encode())
