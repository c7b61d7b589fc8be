"""What an operator sees of the identities that governd holds: all but the keys."""

from dataclasses import dataclass
from datetime import datetime

from governd.application.keep_identities import IdentityKeeper, IdentityState
from governd.application.occupant import Naming, standing
from governd.errors import RequestError
from governd.identity import Attestation, SpiffeId
from governd.identity.svid import Workload, X509Svid


@dataclass(frozen=True, slots=True)
class WorkloadIdentity:
    """What is held for one workload.

    Attributes:
        workload: Whose it is.
        spiffe_id: Who it is, as ``WhoAmI`` says; ``None`` while it is nobody.
        state: What it has now, or what it waits for, as it is told itself.
        attestation: How its identity is established.
        source: What issues it.
    """

    workload: Workload
    spiffe_id: SpiffeId | None
    state: IdentityState
    attestation: Attestation
    source: str


class IdentityList:
    """The use case behind the operator's questions about identities."""

    def __init__(self, keeper: IdentityKeeper, naming: Naming) -> None:
        """Takes what holds identities, and what knows how a workload's is established."""
        self._keeper = keeper
        self._naming = naming

    def all(self) -> list[WorkloadIdentity]:
        """Every workload, by name."""
        found = [self._of(workload, state) for workload, state in self._keeper.states()]
        return sorted(found, key=lambda one: one.workload.name)

    def one(self, name: str) -> WorkloadIdentity:
        """The workload of that name.

        Raises:
            RequestError: There is none.
        """
        for workload, state in self._keeper.states():
            if workload.name == name:
                return self._of(workload, state)
        message = "workload: expected the name of a workload for which identities are held"
        raise RequestError(message, field="workload")

    def _of(self, workload: Workload, state: IdentityState) -> WorkloadIdentity:
        attestation = self._naming.attestation(workload, state)
        spiffe_id = self._naming.names(workload, state)
        told = standing(state, by_template=spiffe_id is not None)
        return WorkloadIdentity(workload, spiffe_id, told, attestation, self._keeper.source)


def next_rotation(svid: X509Svid) -> datetime:
    """About when another takes its place: at half of its lifetime, as SPIRE's agent has it."""
    return svid.not_before + (svid.not_after - svid.not_before) / 2
