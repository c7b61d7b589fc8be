"""Issues JWT-SVIDs to workloads: each is a decision, on record before anything is minted.

A JWT-SVID is a credential: whoever has it is the workload for its audience. So policy is
asked, for each audience and for each identity that the token would be for, whether that
identity may have a token for it: ``identity/jwt-svid`` on the external service that the
audience is (``policy.canonical.service_of``).

Promises:
    * No token without a permit of every question; one deny denies the whole call.
    * A permit that asks for something to be done along with it permits nothing here:
      there is nobody who could do it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from governd.application.answer import Answer
from governd.application.call import Call
from governd.application.evaluate import Evaluator
from governd.application.keep_identities import HeldIdentity
from governd.application.workload_view import View, WorkloadViews
from governd.errors import NoIdentityError, RequestError
from governd.identity import SpiffeId
from governd.identity.svid import JwtSvid
from governd.policy.canonical import service_of
from governd.policy.question import Question, ResourceRef

ACTION = "identity/jwt-svid"
MAX_AUDIENCES = 16


@dataclass(frozen=True, slots=True)
class Denial:
    """Policy does not let the workload have that token.

    Attributes:
        audience: The first that was denied.
        answer: The answer that denied it.
    """

    audience: str
    answer: Answer

    def __str__(self) -> str:
        """For the caller, who knows the audience; the rest is on record."""
        code = self.answer.decision.code.name
        return f"no token for {self.audience}: {code}, decision {self.answer.decision_id}"


class JwtSvidIssuer:
    """Decides, and only then has tokens minted."""

    def __init__(self, evaluator: Evaluator, views: WorkloadViews) -> None:
        """Takes what decides and what knows the workload's identities."""
        self._evaluator = evaluator
        self._views = views

    async def issue(
        self,
        this: Call,
        held: HeldIdentity,
        audiences: Sequence[str],
        spiffe_id: SpiffeId | None = None,
    ) -> tuple[JwtSvid, ...] | Denial:
        """JWT-SVIDs for exactly these audiences, or why policy denies them.

        Args:
            this: In which they are asked for.
            held: What is held for who calls.
            audiences: Who will accept them.
            spiffe_id: The only ID to have one for; all of the workload's if left out.

        Raises:
            RequestError: An audience is malformed, or there are none or too many.
            RateLimitedError: The caller has used up its rate.
            IdentityError: The workload has no such identity, or no token is to be had now.
        """
        wanted = _services(audiences)
        ids = _chosen(await self._views.first(held, _ids), spiffe_id)
        this.charge(len(wanted) * len(ids) - 1)
        denial = await self._decide(this, wanted, ids)
        if denial is not None:
            return denial
        minted = await held.jwt_svids(list(wanted), spiffe_id)
        # An identity that came since then was not asked about.
        svids = tuple(svid for svid in minted if svid.spiffe_id in ids)
        if not svids:
            message = "the identity was replaced meanwhile"
            raise NoIdentityError(message)
        return svids

    async def _decide(
        self, this: Call, wanted: dict[str, str], ids: Iterable[SpiffeId]
    ) -> Denial | None:
        """The first denial, when every answer is on record."""
        asked = [(audience, spiffe_id) for spiffe_id in ids for audience in wanted]
        answers = [
            self._evaluator.decide(this, _question(spiffe_id, wanted[audience]))
            for audience, spiffe_id in asked
        ]
        answers = list(await self._evaluator.put_on_record(answers))
        for (audience, _), answer in zip(asked, answers, strict=True):
            if not answer.decision.allowed or answer.decision.obligations:
                return Denial(audience, answer)
        return None


def _services(audiences: Sequence[str]) -> dict[str, str]:
    """The external service that each audience is; each audience once, in order."""
    if not 1 <= len(audiences) <= MAX_AUDIENCES:
        message = f"audience: expected 1 to {MAX_AUDIENCES}, not {len(audiences)}"
        raise RequestError(message, field="audience")
    return {audience: service_of(audience, field="audience") for audience in audiences}


def _ids(seen: View) -> tuple[SpiffeId, ...]:
    return tuple(dict.fromkeys(svid.spiffe_id for svid in seen.svids))


def _chosen(ids: tuple[SpiffeId, ...], spiffe_id: SpiffeId | None) -> tuple[SpiffeId, ...]:
    if spiffe_id is None:
        return ids
    if spiffe_id not in ids:
        message = f"{spiffe_id} is not issued to this workload"
        raise NoIdentityError(message)
    return (spiffe_id,)


def _question(spiffe_id: SpiffeId, service: str) -> Question:
    # All of these are the caller's own identities: it asks about itself.
    return Question(spiffe_id, ACTION, ResourceRef("external_service", service))
