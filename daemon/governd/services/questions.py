"""Requests as questions: what was read before is not read again.

Reading a question, its arguments above all, costs more than looking it up by its bytes.
It is a pure function of them, so nothing but memory bounds how long it is remembered.
"""

from governd._proto.governd.v1 import policy_service_pb2
from governd.identity import SpiffeId
from governd.policy.arguments import Arguments
from governd.policy.delegated import PLAIN, Circumstances
from governd.policy.question import Question
from governd.policy.recent import Recent
from governd.services import convert

MAX_CHARS = 2 << 20
"""Of the texts in all keys."""
MAX_ARGUMENTS = 4096
"""Questions with longer arguments are not remembered."""
_ARGUMENTS_FACTOR = 32
"""What parsed arguments take at most, beside their text."""

_Key = tuple[SpiffeId, str, str, str, bytes]


class Questions:
    """Reads callers' questions about themselves once, others each time."""

    def __init__(self, parse: convert.Parse) -> None:
        """Takes what reads arguments."""
        self._parser = parse
        self._latest = (b"", parse(b""))
        self._read: Recent[_Key, Question] = Recent(MAX_CHARS)

    def read(
        self,
        request: policy_service_pb2.EvaluateRequest,
        caller: SpiffeId,
        circumstances: Circumstances = PLAIN,
    ) -> Question:
        """The question that a request asks, in what its evidence proves.

        Raises:
            RequestError: A field is missing or malformed.
        """
        context = request.context
        arguments = context.arguments_json
        plain = not request.HasField("subject") and not context.HasField("evidence")
        if len(arguments) > MAX_ARGUMENTS or not plain:
            return convert.question(request, caller, self._parse, circumstances)
        resource = request.resource
        key = (caller, request.action.name, resource.type, resource.id, arguments)
        question = self._read.get(key)
        if question is None:
            question = convert.question(request, caller, self._parse)
            chars = question.names.chars + _ARGUMENTS_FACTOR * len(arguments)
            self._read.keep(key, question, chars)
        return question

    def _parse(self, text: bytes) -> Arguments:
        """Reads arguments, those of a batch's defaults once."""
        if text != self._latest[0]:
            self._latest = (text, self._parser(text))
        return self._latest[1]
