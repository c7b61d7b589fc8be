"""Which entries of a list may be shown: the question and its answer. Pure.

An answer is about one subject, and holds for the entries that were asked about, in their
order.
"""

import enum
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self, TypeVar

from governd_client._proto.governd.v1 import tool_service_pb2, types_pb2
from governd_client.decision import Policy, decision_id_of, policy_of
from governd_client.definitions import Kind
from governd_client.errors import InvalidRequestError, MalformedAnswerError
from governd_client.watching import seconds

T = TypeVar("T")


class ListPhase(enum.Enum):
    """For which moment of an agent's work a list is."""

    CALL = tool_service_pb2.LIST_PHASE_CALL
    """What could be called now, in the name of nobody but the subject."""

    BOOTSTRAP = tool_service_pb2.LIST_PHASE_BOOTSTRAP
    """What could be called now or once a user has delegated. A call still needs that."""


@dataclass(frozen=True, slots=True)
class Filtered:
    """What of a list may be shown, to the one subject that was asked about.

    Attributes:
        shown: Indices of the entries that may be shown, ascending.
        decision_id: Identifies the answer in governd's decision log.
        policy: Which policy decided.
        valid_for: Seconds for which it may be shown again to the same subject; 0 for not
            at all.
        listed: How many entries were asked about.
    """

    shown: tuple[int, ...]
    decision_id: str
    policy: Policy
    valid_for: float
    listed: int = field(repr=False)

    def keep(self, items: Sequence[T]) -> list[T]:
        """Those of the items that may be shown, in their order.

        Args:
            items: The list that was asked about.

        Raises:
            ValueError: It is another list: of another length.
        """
        if len(items) != self.listed:
            message = f"items: expected the {self.listed} that were asked about, got {len(items)}"
            raise ValueError(message)
        return [items[index] for index in self.shown]

    @classmethod
    def from_proto(cls, answer: tool_service_pb2.FilterToolsResponse, listed: int) -> Self:
        """Reads the answer about ``listed`` entries.

        Raises:
            MalformedAnswerError: It cannot be an answer about so many.
        """
        shown = tuple(answer.shown)
        ascending = all(one < next_ for one, next_ in itertools.pairwise(shown))
        if not ascending or (shown and shown[-1] >= listed):
            message = f"the answer does not say which of {listed} entries are shown"
            raise MalformedAnswerError(message)
        return cls(
            shown=shown,
            decision_id=decision_id_of(answer.decision_id),
            policy=policy_of(answer.policy),
            valid_for=_valid_for(answer),
            listed=listed,
        )


def filter_request(
    server: str,
    names: Sequence[str],
    *,
    kind: Kind,
    subject: str | None,
    phase: ListPhase,
    digests: Sequence[str] | None,
) -> tool_service_pb2.FilterToolsRequest:
    """Writes the question.

    Raises:
        InvalidRequestError: A part is not text in UTF-8, or there is not one digest for each
            name.
    """
    if digests is not None and len(digests) != len(names):
        message = f"digests: expected one for each of {len(names)} names, got {len(digests)}"
        raise InvalidRequestError(message, field="digests")
    try:
        request = tool_service_pb2.FilterToolsRequest(
            server=server, kind=kind.value, phase=phase.value
        )
        for name, digest in zip(names, digests or [""] * len(names), strict=True):
            request.definitions.add(name=name, digest=digest)
        if subject is not None:
            request.subject.CopyFrom(types_pb2.Subject(id=subject))
    except (TypeError, ValueError) as error:
        message = "server, names, digests and subject are text in UTF-8"
        raise InvalidRequestError(message) from error
    return request


def _valid_for(answer: tool_service_pb2.FilterToolsResponse) -> float:
    """What cannot be understood is no lease."""
    given = seconds(answer.lease.valid_for, answer.HasField("lease")) or 0.0
    return given if 0 < given < math.inf else 0.0
