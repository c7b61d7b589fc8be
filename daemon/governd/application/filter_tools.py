"""Says which entries of an MCP server's list somebody may see, and puts that on record."""

import asyncio
import itertools
import math
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from governd.application.call import Call
from governd.application.delegation_said import said_of
from governd.application.known_agents import LevelOf, known, nobody_known
from governd.application.list_question import FilteredList, ListQuestion
from governd.application.sync_policy import PolicyKeeper, PolicyState
from governd.audit.ports import DecisionLog
from governd.audit.record import report_record
from governd.errors import DecisionLogError, ServerUnknownError
from governd.policy.compiled import CompiledPolicy
from governd.policy.definitions import Kind
from governd.policy.delegated import check_actor
from governd.policy.entities import Uid
from governd.policy.filtering import Filtering, Listing, Visibility
from governd.policy.offered import ENTITY_TYPES
from governd.policy.question import Question, ResourceRef
from governd.policy.subject import check_subject

_RETRY_SECONDS = 1.0
_TRIES = 3
"""Times that a list is begun anew because the policy changed; then it is done in one go."""
_RECORDED_NAMES = 64
_RECORDED_CHARS = 128
_NOTHING = Visibility((), upto=-math.inf)


class FilterObserver(Protocol):
    """Watches what is filtered, for metrics."""

    def filtered(self, kind: Kind, listed: int, shown: int, seconds: float) -> None:
        """A list was filtered, put on record as far as possible, and is answered now."""


class ToolFilter:
    """The use case behind FilterTools."""

    def __init__(
        self,
        keeper: PolicyKeeper,
        log: DecisionLog,
        observer: FilterObserver,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        max_lease_seconds: float,
        unsafe_answer_without_log: bool,
        level_of: LevelOf = nobody_known,
    ) -> None:
        """Takes its parts.

        Args:
            keeper: Holds the policy in force.
            log: Where answers are put on record.
            observer: Told of each.
            clock: Monotonic seconds.
            wall_clock: Seconds since the epoch.
            max_lease_seconds: The longest that an answer may be shown again.
            unsafe_answer_without_log: Answer even if the log cannot be written.
            level_of: How well agents are known.
        """
        self._keeper = keeper
        self._log = log
        self._observer = observer
        self._clock = clock
        self._wall_clock = wall_clock
        self._max_lease = max_lease_seconds
        self._unsafe = unsafe_answer_without_log
        self._level_of = level_of

    async def filter(self, call: Call, question: ListQuestion) -> FilteredList:
        """Says which entries of a list may be shown.

        Holds the event loop for no more than a few milliseconds at a time.

        Raises:
            SubjectError: The subject is not the caller's to name.
            ServerUnknownError: The policy declares no such server.
            DecisionLogError: The answer is not on record.
        """
        start = self._clock()
        circumstances = known(question.subject, question.circumstances, self._level_of)
        question = replace(question, circumstances=circumstances)
        state, filtering = await self._filtered(question)
        info = state.info(self._clock())
        left = question.circumstances.ends - self._wall_clock()
        seen = filtering.visibility(info.age_seconds) if filtering and left > 0 else _NOTHING
        answer = FilteredList(
            decision_id=secrets.token_hex(16),
            shown=_genuine(state.policy, question, seen.shown),
            policy=info,
            lease_seconds=max(0.0, min(self._max_lease, seen.upto - info.age_seconds, left)),
        )
        answer = await self._put_on_record(call, question, answer)
        seconds = self._clock() - start
        self._observer.filtered(question.kind, len(question.entries), len(answer.shown), seconds)
        return answer

    async def _filtered(self, question: ListQuestion) -> tuple[PolicyState, Filtering | None]:
        """The list, filtered by the policy that is in force when that is done."""
        for tries in itertools.count(1):
            policy = self._keeper.state.policy
            _check(policy, question)
            if policy is None:
                break
            filtering = Filtering(policy, _listing(question))
            for _ in filtering.steps():
                if tries < _TRIES:
                    await asyncio.sleep(0)
                if self._keeper.state.policy is not policy:
                    break
            else:
                return self._keeper.state, filtering
        return self._keeper.state, None

    async def _put_on_record(
        self, call: Call, question: ListQuestion, answer: FilteredList
    ) -> FilteredList:
        caller = call.workload
        record = report_record(
            "filter",
            time=self._wall_clock(),
            caller=str(caller.spiffe_id),
            attestation=caller.attestation.value,
            said=_said(question, answer),
        )
        try:
            await self._log.append([record])
        except DecisionLogError as error:
            if not self._unsafe:
                raise DecisionLogError(str(error), retry_after=_RETRY_SECONDS) from error
            return replace(answer, lease_seconds=0.0)  # it would stand for many uses
        return answer


def _check(policy: CompiledPolicy | None, question: ListQuestion) -> None:
    """Refuses a subject that is not the caller's to name, and a server that nobody knows."""
    server = ResourceRef("mcp_server", question.server)
    asked = Question(question.subject, "tools/list", server, asserted_by=question.asserted_by)
    check_actor(question.circumstances, question.subject)
    check_subject(policy, asked)
    if policy is not None and question.server not in policy.servers:
        message = "server: the policy declares no MCP server of that name"
        metadata = {"server": question.server}
        raise ServerUnknownError(message, field="server", metadata=metadata)


def _listing(question: ListQuestion) -> Listing:
    names = tuple(entry.name for entry in question.entries)
    about = question.subject, question.server, question.kind
    return Listing(*about, names, question.circumstances, question.bootstrap)


def _genuine(
    policy: CompiledPolicy | None, question: ListQuestion, shown: tuple[int, ...]
) -> tuple[int, ...]:
    """Leaves out what is listed by another definition than the one in force."""
    if policy is None:
        return ()
    digests, kind = policy.offered.digests, ENTITY_TYPES[question.kind]
    return tuple(
        index
        for index in shown
        if not (entry := question.entries[index]).digest
        or digests.get(Uid(kind, f"{question.server}/{entry.name}"), entry.digest) == entry.digest
    )


def _said(question: ListQuestion, answer: FilteredList) -> dict[str, object]:
    shown, policy = frozenset(answer.shown), answer.policy
    hidden = (one.name for index, one in enumerate(question.entries) if index not in shown)
    return {
        "decision_id": answer.decision_id,
        "subject": str(question.subject),
        "asserted_by": str(question.asserted_by) if question.asserted_by else None,
        "server": question.server,
        "kind_of": question.kind.name.lower(),
        "phase": "bootstrap" if question.bootstrap else "call",
        "delegation": said_of(question.circumstances.delegation),
        "kya_level": question.circumstances.kya_level,
        "listed": len(question.entries),
        "shown": len(answer.shown),
        "hidden": [name[:_RECORDED_CHARS] for name in itertools.islice(hidden, _RECORDED_NAMES)],
        "policy": {
            "digest": policy.digest,
            "bundle_version": policy.bundle_version,
            "epoch": policy.epoch,
        },
    }
