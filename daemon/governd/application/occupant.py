"""Who is behind a workload's door at the moment, by what is issued to the workload.

Promises:
    * Only what is issued names somebody; where nothing is, nobody is known but by the path
      template, and by that only where the source answered that nothing matches: never while
      it is away, refuses governd, or says what does not hold.
    * An SVID counts to its end and no longer, whoever looks.
    * Whoever has several IDs is one of them for as long as that is issued (``HeldIdentity``):
      where it expires nobody is known, and the next ID is never taken for it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from governd.application.hold_identity import HeldIdentity
from governd.application.identity_state import IdentityState, Phase
from governd.errors import NotRegisteredError
from governd.identity import Attestation, Caller, Newcomer, SpiffeId
from governd.identity.path_template import PathTemplate
from governd.identity.svid import Workload

_BY_TEMPLATE = "the path template says who it is, there is no SVID: {}"


@dataclass(frozen=True, slots=True)
class Naming:
    """Knows how workloads get their identities.

    Attributes:
        trust_domain: Theirs.
        spire: Whether SPIRE issues them; the embedded authority otherwise.
        template: Makes IDs of facts; ``None`` where the configuration has none.
    """

    trust_domain: str
    spire: bool
    template: PathTemplate | None = None

    def stand_in(self, workload: Workload) -> SpiffeId | None:
        """The ID that the template makes of a workload's facts; ``None`` without either.

        Raises:
            RequestError: A fact cannot be part of an ID.
        """
        if self.template is None or workload.spiffe_id is not None:
            return None
        return self.template.id_of(self.trust_domain, workload.facts)

    def attestation(self, workload: Workload, state: IdentityState) -> Attestation:
        """How the workload's identity is established, or would be while it has none."""
        if not self.spire:
            return Attestation.STATIC if workload.spiffe_id else Attestation.TEMPLATE
        stands_in = state.spiffe_id is None and self.names(workload, state) is not None
        return Attestation.TEMPLATE if stands_in else Attestation.SPIRE

    def names(self, workload: Workload, state: IdentityState) -> SpiffeId | None:
        """Who the workload is; ``None`` while it is nobody.

        Raises:
            RequestError: A fact cannot be part of an ID.
        """
        if state.spiffe_id is None and unmatched(state):
            return self.stand_in(workload)
        return state.spiffe_id


def unmatched(state: IdentityState) -> bool:
    """Whether the source answered, and nothing that is registered matches."""
    return isinstance(state.problem, NotRegisteredError)


def standing(state: IdentityState, *, by_template: bool) -> IdentityState:
    """The state as it is told: who is known by the template waits for nothing."""
    if state.phase is Phase.WAITING and by_template:
        return IdentityState(Phase.READY, _BY_TEMPLATE.format(state.reason))
    return state


class Occupant:
    """The workload behind one door.

    Attributes:
        held: What is held for it.
    """

    def __init__(self, held: HeldIdentity, naming: Naming) -> None:
        """Looks at nothing yet.

        Raises:
            RequestError: The path template cannot take one of the workload's facts.
        """
        self.held = held
        self._workload = workload = held.workload
        self._naming = naming
        self._facts = {**workload.facts, "listener": workload.name}
        naming.stand_in(workload)  # raises now what it would raise later
        self._seen: IdentityState | None = None
        self._who: Caller | Newcomer = Newcomer(workload.name, self._facts)

    @property
    def who(self) -> Caller | Newcomer:
        """Who it is now; the same object as before for as long as it is the same."""
        state = self.held.state
        if state is not self._seen:
            self._seen, who = state, self._named(state)
            self._who = self._who if who == self._who else who
        return self._who

    def on_change(self, heed: Callable[[], object]) -> None:
        """Has ``heed`` called, at once, whenever it may be somebody else. It must not raise."""
        self.held.on_change(heed)

    def _named(self, state: IdentityState) -> Caller | Newcomer:
        attestation = self._naming.attestation(self._workload, state)
        spiffe_id = self._naming.names(self._workload, state)
        if spiffe_id is None:
            return Newcomer(self._workload.name, self._facts)
        return Caller(spiffe_id, attestation, self._facts)
