"""Says whether a receiver may take an acting-as token, and puts that on record."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from governd.application.call import Call
from governd.application.delegation_lines import Occasion, verified_line
from governd.application.receive_tokens import TokenReception
from governd.audit.ports import DecisionLog
from governd.delegation.binding import BindingLevel
from governd.delegation.expectations import Arrival
from governd.delegation.opening import name_of
from governd.delegation.rejection import Rejected
from governd.delegation.verification import Verified
from governd.identity.secret import Secret

VERIFY = "verify"


class VerifyObserver(Protocol):
    """Watches tokens that are verified, for metrics and logs. Never sees one."""

    def verified(self, found: Verified | Rejected, seconds: float) -> None:
        """The caller is told what came of a token."""


class TokenVerifier:
    """The use case behind Verify."""

    def __init__(
        self,
        reception: TokenReception,
        log: DecisionLog,
        observer: VerifyObserver,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        """Takes its parts.

        Args:
            reception: Where tokens come in.
            log: Where it is put on record.
            observer: Told of each.
            clock: Monotonic seconds.
            wall_clock: Seconds since 1970.
        """
        self._reception = reception
        self._log = log
        self._observer = observer
        self._clock = clock
        self._wall_clock = wall_clock

    async def verify(
        self, this: Call, token: Secret, arrival: Arrival, least: BindingLevel
    ) -> Verified | Rejected:
        """Whether the caller may take a token that came with a request. It is used then.

        Args:
            this: In which it is asked.
            token: As it came.
            arrival: How it came, as the caller's own channel says.
            least: How tightly it has to be tied; never less than policy says.

        Raises:
            EvidenceUnavailableError: No trust bundle has come yet.
            DecisionLogError: It is not on record. The token is used up all the same, and is
                nobody's evidence.
        """
        start, now = self._clock(), self._wall_clock()
        caller, moment = this.workload, datetime.fromtimestamp(now, UTC)
        found = self._reception.take(token, caller.spiffe_id, arrival, moment, least=least)
        name = name_of(token.reveal().decode())
        line = verified_line(Occasion(VERIFY, caller, now), found, name)
        await self._log.append([line])
        if isinstance(found, Verified):
            self._reception.hold(found, moment)
        self._observer.verified(found, self._clock() - start)
        return found
