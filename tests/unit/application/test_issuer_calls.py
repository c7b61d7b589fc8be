"""A token endpoint is asked in time, a few times at most, and left alone when it fails."""

import asyncio

import pytest

from governd.application.issuer_calls import CallLimits, IssuerCalls
from governd.application.issuer_pauses import MOST_BUSY_SECONDS, MOST_SECONDS, IssuerPauses
from governd.application.issuer_ports import (
    CallOutcome,
    LargeAnswerError,
    NoAnswerError,
    NotAskedError,
)
from governd.application.server_metadata import MetadataKeeper
from governd.errors import GoverndError, IssuerUnavailableError, TokenRefusedError
from governd.identity.secret import Secret
from governd.policy.authorization_servers import AuthorizationServer
from governd.tokens import form, words
from governd.tokens.form import ClientProof, Form, Target
from tests.fakes.time import FakeTime, settle
from tests.fakes.token_endpoint import (
    AWAY,
    CUT,
    Came,
    FakeTokenEndpoint,
    answer,
    described,
    refusal,
    token,
)

pytestmark = pytest.mark.req("avail-3", part=True)

ISSUER = "https://login.example"
SECONDS, PAUSE, FAILURES = 10.0, 10.0, 5
SVID = ClientProof(None, words.ASSERTED_BY_SPIFFE, Secret(b"svid"))
CREDENTIALS = form.client_credentials(Target("https://api.example", None, ()), SVID)
ASSERTION = form.jwt_bearer(Secret(b"once"), Target(None, None, ()), SVID)


def server(name: str = "corp", authentication: str = "jwt-spiffe") -> AuthorizationServer:
    return AuthorizationServer.model_validate(
        {
            "name": name,
            "issuer": ISSUER,
            "client_authentication": authentication,
            "client_id": "governd",
            "client_key": "corp",
            "token_endpoint": f"https://{name}.example/token",
        }
    )


class Calls:
    """Calls over a fake endpoint, and what was told of them."""

    def __init__(self) -> None:
        self.time = FakeTime()
        self.endpoint = FakeTokenEndpoint(self.time)
        self.told: list[str] = []
        self.metadata = MetadataKeeper(
            self.endpoint, self, servers=list, seconds=SECONDS, clock=self.time.clock
        )
        pauses = IssuerPauses(FAILURES, PAUSE, self, self.time.clock)
        limits = CallLimits(SECONDS, retries=2)
        self.calls = IssuerCalls(
            self.endpoint,
            self.metadata,
            pauses,
            self,
            limits,
            clock=self.time.clock,
            sleep=self.time.sleep,
            spread=lambda: 1.0,
        )

    def described(self, name: str) -> None:
        self.told.append(f"{name} described")

    def not_described(self, name: str, error: str) -> None:
        self.told.append(f"{name} {error}")

    def asked(self, name: str, outcome: CallOutcome, seconds: float) -> None:
        self.told.append(outcome.value)

    def paused(self, name: str) -> None:
        self.told.append(f"{name} paused")

    def resumed(self, name: str) -> None:
        self.told.append(f"{name} resumed")

    @property
    def attempts(self) -> int:
        return len(self.endpoint.posted)

    def begin(
        self, asked: AuthorizationServer | None = None, what: Form = CREDENTIALS
    ) -> "asyncio.Task[bytes]":
        async def ask() -> bytes:
            return (await self.calls.ask(asked or server(), what)).token.reveal()

        return asyncio.ensure_future(ask())

    async def ask(
        self, *answers: Came, of: AuthorizationServer | None = None, what: Form = CREDENTIALS
    ) -> bytes:
        """The token that comes of answers, when as much time has passed as it takes."""
        if answers:
            self.endpoint.answers(*answers)
        asking = self.begin(of, what)
        await self.time.advance(SECONDS)
        return await asking

    async def unavailable(self, *answers: Came, what: Form = CREDENTIALS) -> float:
        """Seconds after which to come back, where no token comes of answers."""
        with pytest.raises(IssuerUnavailableError) as raised:
            await self.ask(*answers, what=what)
        assert raised.value.metadata == {"authorization_server": "corp"}
        assert raised.value.retry_after is not None
        return raised.value.retry_after

    async def refused(self, came: Came) -> tuple[str, str]:
        """Rule and error code, where no token comes of an answer."""
        with pytest.raises(TokenRefusedError) as raised:
            await self.ask(came)
        return raised.value.metadata["rule"], raised.value.metadata.get("error", "")


@pytest.fixture
def calls() -> Calls:
    return Calls()


async def test_a_token_is_asked_for_once(calls: Calls) -> None:
    assert await calls.ask() == b"token-1"
    ((uri, sent, seconds),) = calls.endpoint.posted
    assert (uri, sent, seconds) == ("https://corp.example/token", CREDENTIALS, SECONDS)
    assert calls.told == ["answered"]


async def test_where_to_ask_is_what_the_server_says_itself(calls: Calls) -> None:
    calls.endpoint.documents[f"{ISSUER}/.well-known/oauth-authorization-server"] = described(ISSUER)
    silent = server().model_copy(update={"token_endpoint": None})
    assert await calls.ask(of=silent) == b"token-1"
    assert calls.endpoint.posted[0][0] == f"{ISSUER}/token"


@pytest.mark.parametrize("came", [AWAY, CUT, answer(500), answer(503), answer(429)], ids=repr)
async def test_what_may_help_is_tried_again(calls: Calls, came: Came) -> None:
    assert await calls.ask(came, came, token()) == b"token-1"
    assert calls.attempts == 3
    assert calls.time.slept == [0.1, 0.2]


async def test_not_for_ever(calls: Calls) -> None:
    assert await calls.unavailable(AWAY) >= 1
    assert calls.attempts == 3
    assert calls.told == ["away"] * 3


REFUSALS = [
    (refusal(), ("refused", "invalid_grant")),
    (refusal("invalid_client", 401), ("refused", "invalid_client")),
    (answer(403), ("refused", "")),
    (answer(307), ("redirected", "")),
    (answer(204), ("malformed", "")),
    (LargeAnswerError("answers with more than 65536 bytes"), ("too_large", "")),
    (NoAnswerError("answers in an encoding that was not asked for"), ("malformed", "")),
]


@pytest.mark.parametrize(("came", "said"), REFUSALS, ids=[said[0] for _, said in REFUSALS])
async def test_a_refusal_is_final(calls: Calls, came: Came, said: tuple[str, str]) -> None:
    assert await calls.refused(came) == said
    assert calls.attempts == 1


async def test_what_may_not_be_asked_is_not_asked_again(calls: Calls) -> None:
    with pytest.raises(IssuerUnavailableError, match="has an address that is not public"):
        await calls.ask(NotAskedError("has an address that is not public"))
    assert calls.attempts == 1


@pytest.mark.parametrize("came", [CUT, answer(500), answer(429)], ids=repr)
async def test_attack_what_counts_once_is_sent_twice(calls: Calls, came: Came) -> None:
    await calls.unavailable(came, token(), what=ASSERTION)
    assert calls.attempts == 1
    with pytest.raises(IssuerUnavailableError):
        await calls.ask(came, token(), of=server("other", "private_key_jwt"))
    assert calls.attempts == 2


async def test_what_never_reached_the_server_may_be_sent_again(calls: Calls) -> None:
    assert await calls.ask(AWAY, token(), what=ASSERTION) == b"token-1"


async def test_all_attempts_together_have_one_time(calls: Calls) -> None:
    calls.endpoint.takes = 4.0
    await calls.unavailable(answer(500))
    asked_for = [seconds for _, _, seconds in calls.endpoint.posted]
    assert asked_for == pytest.approx([10.0, 5.9, 1.7])


async def test_asking_where_it_is_takes_from_the_same_time(calls: Calls) -> None:
    calls.endpoint.documents[f"{ISSUER}/.well-known/oauth-authorization-server"] = described(ISSUER)
    calls.endpoint.takes = 4.0
    await calls.ask(of=server().model_copy(update={"token_endpoint": None}))
    ((_, _, seconds),) = calls.endpoint.posted
    assert seconds == pytest.approx(SECONDS - 4.0)


async def test_requests_that_are_made_together_have_the_time_of_one(calls: Calls) -> None:
    calls.endpoint.takes = 4.0

    async def ask_twice() -> None:
        with calls.calls.together():
            await calls.calls.ask(server(), CREDENTIALS)
            await calls.calls.ask(server("other"), CREDENTIALS)

    for _ in range(2):
        asking = asyncio.ensure_future(ask_twice())
        await calls.time.advance(SECONDS)
        await asking
    assert [seconds for _, _, seconds in calls.endpoint.posted] == pytest.approx([10.0, 6.0] * 2)


async def test_a_server_does_not_fail_for_the_time_that_another_took(calls: Calls) -> None:
    calls.endpoint.takes = 9.5

    async def ask_twice() -> None:
        with calls.calls.together():
            await calls.calls.ask(server("slow"), CREDENTIALS)
            await calls.calls.ask(server(), CREDENTIALS)

    for _ in range(FAILURES):
        asking = asyncio.ensure_future(ask_twice())
        await calls.time.advance(SECONDS)
        with pytest.raises(IssuerUnavailableError, match="no time is left") as raised:
            await asking
        assert raised.value.metadata == {"authorization_server": "corp"}
    assert calls.told == ["answered"] * FAILURES
    calls.endpoint.takes = 0.0
    assert await calls.ask() == b"token-1", "it is not left alone"


async def test_an_attempt_that_would_come_too_late_is_not_made(calls: Calls) -> None:
    calls.endpoint.takes = SECONDS - 0.1
    await calls.unavailable(answer(500))
    assert calls.attempts == 1


async def test_a_wait_that_the_server_wants_is_waited_for_where_there_is_time(
    calls: Calls,
) -> None:
    assert await calls.ask(answer(429, 3.0), token()) == b"token-1"
    assert calls.time.slept == [3.0]


async def test_a_longer_wait_is_told_and_kept(calls: Calls) -> None:
    assert await calls.unavailable(answer(429, 20.0)) == 20.0
    assert calls.attempts == 1
    assert await calls.unavailable(token()) == 10.0
    assert calls.attempts == 1, "it is not asked before it wants to be"
    await calls.time.advance(10)
    assert await calls.ask() == b"token-1"


@pytest.mark.parametrize(("status", "most"), [(429, MOST_BUSY_SECONDS), (503, MOST_SECONDS)])
async def test_attack_a_server_that_wants_never_to_be_asked_again(
    calls: Calls, status: int, most: float
) -> None:
    """What it says of one caller's requests keeps no other from it for long."""
    await calls.unavailable(answer(status, 86_400.0))
    assert await calls.unavailable(token()) == most - SECONDS
    assert calls.attempts == 1, "it is not asked before"
    await calls.time.advance(most - 2 * SECONDS)
    assert await calls.ask(token()) == b"token-1"


async def test_a_server_that_keeps_failing_is_left_alone_and_then_tried_once(
    calls: Calls,
) -> None:
    await calls.unavailable(AWAY)
    assert await calls.unavailable(AWAY) == pytest.approx(PAUSE, abs=0.5)
    assert calls.attempts == FAILURES, "not even its last attempt"
    assert "corp paused" in calls.told
    await calls.time.advance(PAUSE)
    calls.endpoint.takes = 5.0
    calls.endpoint.answers(token())
    trying = calls.begin()
    await settle()
    others = [calls.begin() for _ in range(5)]
    await settle()
    for other in others:
        with pytest.raises(IssuerUnavailableError):
            await other
    await calls.time.advance(5)
    assert await trying == b"token-1"
    assert calls.attempts == FAILURES + 1
    assert calls.told[-1] == "corp resumed"


async def test_one_failure_of_the_one_that_tries_and_it_is_left_alone_again(
    calls: Calls,
) -> None:
    for _ in range(2):
        await calls.unavailable(AWAY)
    for tries in (1, 2):
        await calls.time.advance(PAUSE)
        await calls.unavailable(AWAY)
        assert calls.attempts == FAILURES + tries


async def test_a_caller_that_hangs_up_says_nothing_of_the_server(calls: Calls) -> None:
    calls.endpoint.takes = 5.0
    for _ in range(FAILURES + 1):
        asking = calls.begin()
        await settle()
        asking.cancel()
        await settle()
    calls.endpoint.takes = 0.0
    assert await calls.ask(token()) == b"token-1"


async def test_refusals_are_no_failures(calls: Calls) -> None:
    for _ in range(FAILURES + 1):
        assert await calls.refused(refusal()) == ("refused", "invalid_grant")
    assert await calls.ask(token()) == b"token-1"


async def test_no_server_waits_for_another(calls: Calls) -> None:
    await calls.unavailable(AWAY)
    await calls.unavailable(AWAY)
    assert await calls.ask(token(), of=server("other")) == b"token-1"


async def test_each_attempt_is_told(calls: Calls) -> None:
    for came in (refusal(), answer(204), answer(302), NotAskedError("x")):
        with pytest.raises(GoverndError):
            await calls.ask(came)
    await calls.ask(answer(500), answer(429), token())
    told = ["refused", "unreadable", "unreadable", "away", "failed", "busy", "answered"]
    assert calls.told == told


async def test_nothing_that_was_sent_or_answered_is_in_an_error(calls: Calls) -> None:
    secret = answer(500, body=b"eyJ-secret")
    for came in (secret, refusal("eyJ-secret"), answer(200, body=b"eyJ-secret")):
        with pytest.raises(GoverndError) as raised:
            await calls.ask(came)
        shown = repr(raised.value) + repr(raised.value.metadata) + repr(came)
        assert "eyJ" not in shown
        assert "svid" not in shown
