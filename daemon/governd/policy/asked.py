"""Who asks for what, and all that follows of it whatever the arguments are.

Most questions differ from earlier ones in their arguments at most. What is found out once
for subject, action and resource is kept, in a cache bounded by the text of its names; and
again for each of the circumstances that policies tell apart.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias, TypeVar

import cachetools
import cedarpy

from governd.policy.entities import Part
from governd.policy.handles import PolicySets, SetKey
from governd.policy.question import Names
from governd.policy.tools import Tool
from governd.policy.verdict import Verdict

MAX_CACHED_CHARS = 8 << 20
"""Of names and of what is held for them; candidates count, though most are shared."""
MAX_KEPT = 4
"""Contexts and outcomes kept for each: where candidates look at no argument, few come."""
MAX_CONTEXT_CHARS = 512
_MINTS = frozenset({"identity/jwt-svid", "token/exchange", "delegation/mint"})
"""A permit of these puts a credential into somebody's hands."""

_FAILED_POLICY = re.compile(r"policy `([^`]*)`")
_Key = TypeVar("_Key")


class Outcome(NamedTuple):
    """What Cedar says.

    Attributes:
        allowed: Its decision.
        reasons: Ids of the determining policies, sorted.
        errors: What failed; the decision is worth nothing then.
    """

    allowed: bool
    reasons: tuple[str, ...]
    errors: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[str, ...]:
        """Ids of the policies that failed, sorted."""
        return tuple(
            sorted({match[1] for error in self.errors if (match := _FAILED_POLICY.search(error))})
        )


def outcome_of(result: cedarpy.AuthzResult) -> Outcome:
    """What a result of Cedar's amounts to."""
    undecided = result.decision is cedarpy.Decision.NoDecision
    errors = tuple(result.diagnostics.errors) or ("no decision",) * undecided
    return Outcome(result.allowed, tuple(sorted(result.diagnostics.reasons)), errors)


@dataclass(slots=True, eq=False)
class Asked:
    """A question without its arguments, in Cedar's terms.

    Attributes:
        tool: The tool it is about; ``None`` for any other resource.
        part: Who asks for what, and what the evaluation can reach.
        key: Which policies count.
        sets: Those of them that can apply.
        context: Members of Cedar's context that follow of the circumstances, as far as any
            of these policies looks at them.
        chars: What keeping it costs, in characters.
        listed: Whether it is a call, read or use of something that MCP servers list.
        conforms: Whether the schema accepted a request of this kind. Arguments cannot
            change that: what is projected has the types that the schema declares.
        shown_upto: The greatest age of the policy at which lists show it, in seconds;
            ``None`` while nobody asked.
        seen: What followed of the contexts met last, for which lease.
        ruled: What followed of the outcomes met last, for which lease.
    """

    tool: Tool | None
    part: Part
    key: SetKey
    sets: PolicySets
    context: Mapping[str, object]
    chars: int = 0
    listed: bool = False
    conforms: bool = False
    shown_upto: float | None = None
    seen: dict[tuple[str, float], Verdict] = field(default_factory=dict)
    ruled: dict[tuple[Outcome, Outcome, float], Verdict] = field(default_factory=dict)

    def under(self, context: Mapping[str, object], part: Part) -> "Asked":
        """The same in other circumstances, as yet without anything that followed of them.

        Args:
            context: What follows of these.
            part: With what evaluations can reach then.
        """
        chars = self.chars - self.part.chars + part.chars
        # INVARIANT: what circumstances are told as has the types that the schema declares;
        # but an action of an extension may have a context without a delegation.
        conforms = self.tool is not None and not self.tool.declared
        return Asked(
            self.tool, part, self.key, self.sets, context, chars, self.listed, conforms=conforms
        )

    @property
    def destructive(self) -> bool:
        """Whether it is about a destructive tool, or a credential."""
        if self.tool is None:
            return self.part.action.uid.id in _MINTS
        return self.tool.destructive

    def keep_seen(self, context: str, longest: float, verdict: Verdict) -> None:
        """Keeps what follows of a context, and forgets the rest where there are many."""
        if len(context) <= MAX_CONTEXT_CHARS:
            _keep(self.seen, (context, longest), verdict)

    def keep_ruled(self, outcomes: tuple[Outcome, Outcome, float], verdict: Verdict) -> None:
        """Keeps what follows of outcomes, and forgets the rest where there are many."""
        _keep(self.ruled, outcomes, verdict)


def _keep(held: dict[_Key, Verdict], key: _Key, verdict: Verdict) -> None:
    if len(held) >= MAX_KEPT:
        held.clear()
    held[key] = verdict


AskedKey: TypeAlias = tuple[Names, str]
"""A question's names, and what of its circumstances candidates look at; ``""`` in plain ones."""
AskedCache: TypeAlias = "cachetools.LRUCache[AskedKey, Asked]"


def empty_cache() -> AskedCache:
    """Remembers nothing yet; bounded by what its names are made of."""
    return cachetools.LRUCache(MAX_CACHED_CHARS, getsizeof=lambda asked: asked.chars)
