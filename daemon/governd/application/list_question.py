"""Lists that somebody is to see, and what of them may be shown."""

from dataclasses import dataclass

from governd.identity import SpiffeId
from governd.policy.decision import PolicyInfo
from governd.policy.definitions import Kind
from governd.policy.delegated import PLAIN, Circumstances


@dataclass(frozen=True, slots=True)
class ListedEntry:
    """An entry of a list.

    Attributes:
        name: Of a resource its URI, of a template its URI template.
        digest: Of the definition that is listed; ``""`` where that is not said.
    """

    name: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class ListQuestion:
    """A list, as a server would answer it.

    Attributes:
        subject: Who is to see it.
        asserted_by: The caller that named the subject; ``None`` where it asks for itself.
        server: The MCP server whose it is, as the policy source calls it.
        kind: What is listed.
        entries: In their order.
        bootstrap: Whether what a user may delegate later counts as delegated.
        circumstances: What was verified of the subject, and for whom it is to see it.
    """

    subject: SpiffeId
    asserted_by: SpiffeId | None
    server: str
    kind: Kind
    entries: tuple[ListedEntry, ...]
    bootstrap: bool = False
    circumstances: Circumstances = PLAIN


@dataclass(frozen=True, slots=True)
class FilteredList:
    """Which entries may be shown.

    Attributes:
        decision_id: Of its record.
        shown: Indices of the entries, ascending.
        policy: What decided.
        lease_seconds: How long that may be shown again, to the same subject for the same
            user; 0 for not at all.
    """

    decision_id: str
    shown: tuple[int, ...]
    policy: PolicyInfo
    lease_seconds: float
