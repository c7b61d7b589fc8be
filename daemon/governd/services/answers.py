"""Answers as messages.

Most answers differ from an earlier one in nothing but id and age: they are made from it.
"""

from collections.abc import Callable
from typing import TypeAlias

from google.rpc import status_pb2

from governd._proto.governd.v1 import types_pb2
from governd.application.answer import Answer
from governd.errors import GoverndError
from governd.policy.decision import Decision, PolicyInfo
from governd.services import convert

ToStatus: TypeAlias = Callable[[GoverndError], status_pb2.Status]
MAX_TEMPLATES = 512


class Answers:
    """Writes answers."""

    def __init__(self, to_status: ToStatus) -> None:
        """Takes what gives errors their form."""
        self._to_status = to_status
        # By identity: decisions that are remembered are the same objects again. Each is
        # held, so that its identity is not given to another.
        self._latest: tuple[GoverndError, status_pb2.Status] | None = None
        self._templates: dict[int, tuple[Decision, str, types_pb2.Evaluation]] = {}

    def write(self, answer: Answer | GoverndError, message: types_pb2.Evaluation) -> None:
        """Writes an answer, or why there is none, into an empty message."""
        if isinstance(answer, GoverndError):
            message.error.CopyFrom(self._status(answer))
            return
        message.CopyFrom(self._template(answer.decision, answer.policy))
        message.decision_id = answer.decision_id
        convert.set_duration(message.policy.age, answer.policy.age_seconds)

    def _status(self, error: GoverndError) -> status_pb2.Status:
        """An error's form, made once where a whole message is refused."""
        if self._latest is None or self._latest[0] is not error:
            self._latest = (error, self._to_status(error))
        return self._latest[1]

    def _template(self, decision: Decision, policy: PolicyInfo) -> types_pb2.Evaluation:
        held, epoch, template = self._templates.get(id(decision), _NONE)
        if held is decision and epoch == policy.epoch:
            return template
        template = convert.decision(decision)
        template.policy.CopyFrom(convert.policy_info(policy))
        if len(self._templates) >= MAX_TEMPLATES:
            self._templates.clear()
        self._templates[id(decision)] = (decision, policy.epoch, template)
        return template


_NONE = (None, "", types_pb2.Evaluation())
