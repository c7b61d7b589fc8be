"""Registrations are read as they come, within bounds, and at the pace of their sender's rate."""

from collections.abc import AsyncIterator, Sequence

import pytest

from governd._proto.governd.v1 import tool_service_pb2 as pb
from governd.application.call import Call
from governd.errors import (
    DefinitionError,
    GoverndError,
    RateLimitedError,
    RegistrationTooLargeError,
    RequestError,
    ServerUnknownError,
)
from governd.identity import Attestation, Caller, SpiffeId
from governd.policy.definitions import DefinitionLimits, Kind
from governd.services.registrations import (
    REGISTRATION_COST,
    RegistrationLimits,
    RegistrationReader,
)
from tests.policies import SERVER
from tests.tool_definitions import text

TOOL = pb.DEFINITION_KIND_TOOL


class Purse:
    """A rate with so many tokens, which gains as many a second as one asks for."""

    def __init__(self, tokens: int = 1_000_000) -> None:
        self.tokens = tokens
        self.paid = 0

    def charge(self, count: int, now: float) -> None:
        if count > self.tokens:
            message = "more than 1 calls a second"
            raise RateLimitedError(message, retry_after=float(count - self.tokens))
        self.tokens -= count
        self.paid += count


class Read:
    """A reader, what it pays from, and how long it slept."""

    def __init__(self, tokens: int = 1_000_000, **limits: int) -> None:
        bounds = {"definitions": 10, "total_bytes": 100_000, **limits}
        self.purse = Purse(tokens)
        self.slept: list[float] = []
        self.asked: list[str] = []
        self.messages = 0
        caller = Caller(SpiffeId.parse(SERVER), Attestation.STATIC)
        self.reader = RegistrationReader(
            RegistrationLimits(**bounds, each=DefinitionLimits(max_bytes=50_000)),
            Call(caller, None, self.purse, lambda: 0.0),
            self.server_of,
            sleep=self.sleep,
        )

    def server_of(self, name: str) -> str:
        self.asked.append(name)
        if name == "nobody":
            message = "unknown"
            raise ServerUnknownError(message)
        return name or "git"

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.purse.tokens += round(seconds)

    async def __call__(self, *messages: pb.RegisterToolsRequest) -> None:
        await self.reader.read(self._stream(messages))

    async def _stream(
        self, messages: Sequence[pb.RegisterToolsRequest]
    ) -> AsyncIterator[pb.RegisterToolsRequest]:
        for message in messages:
            self.messages += 1
            yield message


def message(*names: str, server: str = "", size: int = 0) -> pb.RegisterToolsRequest:
    definitions = [
        pb.Definition(kind=TOOL, definition_json=text(name, description="x" * size))
        for name in names
    ]
    return pb.RegisterToolsRequest(server=server, definitions=definitions)


async def test_all_messages_together_are_one_registration() -> None:
    read = Read()
    await read(message("a", "b", server="git"), message("c"), message("d", server="git"))
    assert read.reader.server == "git"
    assert [one.name for one in read.reader.definitions] == ["a", "b", "c", "d"]
    assert read.asked == ["git"]


async def test_a_definition_has_its_kind_and_what_it_requires() -> None:
    read = Read()
    prompt = pb.Definition(kind=pb.DEFINITION_KIND_PROMPT, definition_json=b'{"name": "ask"}')
    tool = pb.Definition(kind=TOOL, definition_json=text("t"), requires=["git:write"])
    await read(pb.RegisterToolsRequest(definitions=[prompt, tool]))
    first, second = read.reader.definitions
    assert (first.kind, second.kind) == (Kind.PROMPT, Kind.TOOL)
    assert second.requires == ("git:write",)


async def test_a_server_may_offer_nothing_but_has_to_say_so() -> None:
    """A stream that ends before its first message says nothing."""
    read = Read()
    await read(message(server="git"))
    assert read.reader.definitions == []
    with pytest.raises(RequestError) as refused:
        await Read()()
    assert refused.value.field == "definitions"


async def test_who_is_no_server_is_refused_before_anything_is_read() -> None:
    read = Read()
    with pytest.raises(ServerUnknownError):
        await read(message("a", server="nobody"), message("b"))
    assert (read.messages, read.purse.paid, read.reader.definitions) == (1, 0, [])


async def test_a_later_message_cannot_name_another_server() -> None:
    with pytest.raises(RequestError) as refused:
        await Read()(message("a", server="git"), message("b", server="pay"))
    assert refused.value.field == "server"


@pytest.mark.parametrize(
    ("broken", "error", "field"),
    [
        (pb.Definition(definition_json=b"{}"), RequestError, "definitions[2].kind"),
        (pb.Definition(kind=9, definition_json=b"{}"), RequestError, "definitions[2].kind"),  # type: ignore[arg-type]
        (
            pb.Definition(kind=TOOL, definition_json=b'{"name": 1}'),
            DefinitionError,
            "definitions[2].definition_json.name",
        ),
        (
            pb.Definition(kind=TOOL, definition_json=text("x"), requires=["no capability"]),
            DefinitionError,
            "definitions[2].requires[0]",
        ),
        (
            pb.Definition(kind=TOOL, definition_json=text("x", description="x" * 50_000)),
            DefinitionError,
            "definitions[2].definition_json",
        ),
    ],
    ids=["no kind", "an unknown kind", "a bad name", "a bad capability", "too large"],
)
async def test_a_mistake_is_named_by_its_place_in_all_messages(
    broken: pb.Definition, error: type[GoverndError], field: str
) -> None:
    with pytest.raises(error) as refused:
        await Read()(message("a", "b"), pb.RegisterToolsRequest(definitions=[broken]))
    assert refused.value.field == field


async def test_too_many_definitions_are_refused_while_they_come() -> None:
    read = Read(definitions=3)
    with pytest.raises(RegistrationTooLargeError) as refused:
        await read(message("a", "b"), message("c", "d"), message("e"))
    assert refused.value.metadata == {"limit_definitions": "3"}
    assert read.messages == 2
    await Read(definitions=3)(message("a", "b"), message("c"))


async def test_too_many_bytes_are_refused_while_they_come() -> None:
    read = Read(total_bytes=2000)
    with pytest.raises(RegistrationTooLargeError) as refused:
        await read(message("a", size=900), message("b", size=1200), message("c"))
    assert refused.value.metadata == {"limit_bytes": "2000"}
    assert read.messages == 2


async def test_what_a_definition_requires_counts_among_the_bytes() -> None:
    large = pb.Definition(kind=TOOL, definition_json=text("t"), requires=["a" * 100] * 60)
    with pytest.raises(RegistrationTooLargeError):
        await Read(total_bytes=2000)(pb.RegisterToolsRequest(definitions=[large]))


async def test_a_registration_costs_what_it_may_cause_and_what_it_takes_to_read() -> None:
    small, large = Read(), Read()
    await small(message("a"))
    assert small.purse.paid == REGISTRATION_COST + 1
    await large(message("a", size=30_000), message(*"bcdefghi"))
    assert large.purse.paid == REGISTRATION_COST + 1 + 3 + 1 + 2


async def test_messages_with_nothing_in_them_are_not_free() -> None:
    read = Read()
    await read(message("a"), *[message()] * 50)
    assert read.purse.paid == REGISTRATION_COST + 51


async def test_a_sender_whose_rate_is_used_up_is_read_more_slowly_and_not_refused() -> None:
    """Refused, a long registration could never come to its end."""
    read = Read(tokens=0)
    await read(message("a"), message("b"))
    assert len(read.reader.definitions) == 2
    assert sum(read.slept) == REGISTRATION_COST + 2
    assert max(read.slept) <= 1.0, "a drain does not wait for long"


async def test_others_get_a_turn_after_every_few_definitions() -> None:
    read = Read()
    await read(message(*"abc"), message(*"defghij"))
    assert len(read.slept) == 2
    assert all(read.slept)
