"""Stock SPIFFE libraries get their identities, and the standard's own status codes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
import pytest

from governd.application import call as calls
from governd.errors import IdentityError, NotDelegateError, SourceAwayError
from governd.services.workload_stubs import messages
from tests.fakes.identity_source import FakeIdentitySource
from tests.fakes.time import settle
from tests.fakes.workloads import SHOP, WEB, FakeWorkload
from tests.unit.services.doubles import FakeContext, Metadata

INTENT: Metadata = (("workload.spiffe.io", "true"),)
AWAY = SourceAwayError("SPIRE agent is away")
POLICY = """
@id("bank") permit (
  principal, action == Action::"identity/jwt-svid", resource == ExternalService::"bank"
);
"""
REQUESTS = {
    "FetchX509SVID": messages.X509SVIDRequest(),
    "FetchX509Bundles": messages.X509BundlesRequest(),
    "FetchJWTSVID": messages.JWTSVIDRequest(audience=["bank"]),
    "FetchJWTBundles": messages.JWTBundlesRequest(),
    "ValidateJWTSVID": messages.ValidateJWTSVIDRequest(audience="bank", svid="a.b.c"),
}
STREAMS = ["FetchX509SVID", "FetchX509Bundles", "FetchJWTBundles"]
Status = tuple[grpc.StatusCode, str]
INVALID, DENIED, UNAVAILABLE = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAVAILABLE,
)


def web(source: FakeIdentitySource) -> None:
    source.register("/web", SHOP)


class Served(FakeWorkload):
    """A workload with the Workload API before it."""

    def __init__(self) -> None:
        super().__init__(POLICY, before=web)

    def call_method(
        self, name: str, request: object = None, metadata: Metadata | None = INTENT
    ) -> tuple[FakeContext, Any]:
        """What a servicer's method returns."""
        context = FakeContext(metadata)
        method: Callable[..., Any] = getattr(self.servicer, name)
        return context, method(request or REQUESTS[name], context.as_grpcs())

    async def ask(self, name: str, request: object = None) -> Any:
        """The first answer."""
        _, answer = self.call_method(name, request)
        with calls.serving(self.call()):
            return await (anext(answer) if name in STREAMS else answer)

    async def status(
        self, name: str, request: object = None, metadata: Metadata | None = INTENT
    ) -> Status:
        """How a call ends that has no answer."""
        context, answer = self.call_method(name, request, metadata)
        with calls.serving(self.call()):
            return await ended(context, anext(answer) if name in STREAMS else answer)


async def ended(context: FakeContext, answer: Awaitable[object]) -> Status:
    with pytest.raises(grpc.aio.AbortError):
        await answer
    assert context.status is not None
    return context.status


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    served = Served()
    await served.open()
    yield served
    await served.close()


@pytest.mark.req("sa-3", part=True)
@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize(
    "metadata",
    [
        (),
        None,
        (("workload.spiffe.io", "false"),),
        (("workload.spiffe.io", "True"),),
        (("workload.spiffe.io", ""),),
        (("workload.spiffe.io", "true,true"),),
        (("workload.spiffe.io", b"true"),),
        INTENT + INTENT,
        (*INTENT, ("workload.spiffe.io", "false")),
        (("x-workload.spiffe.io", "true"),),
    ],
    ids=range(10),
)
async def test_attack_a_call_without_intent(
    served: Served, name: str, metadata: Metadata | None
) -> None:
    code, message = await served.status(name, metadata=metadata)
    assert (code, "workload.spiffe.io: true" in message) == (INVALID, True)
    assert not served.records


async def test_other_metadata_does_not_matter(served: Served) -> None:
    _, answers = served.call_method("FetchX509SVID", metadata=(("a", "b"), *INTENT))
    with calls.serving(served.call()):
        assert (await anext(answers)).svids


@pytest.mark.req("sa-3", part=True)
async def test_a_workload_gets_its_identities(served: Served) -> None:
    answer = await served.ask("FetchX509SVID")
    assert [one.spiffe_id for one in answer.svids] == [str(WEB)]
    bundles = await served.ask("FetchX509Bundles")
    assert dict(bundles.bundles) == {"spiffe://example.org": answer.svids[0].bundle}
    keys = await served.ask("FetchJWTBundles")
    assert list(keys.bundles) == ["spiffe://example.org"]


@pytest.mark.req("sa-3", part=True)
async def test_a_token_that_policy_permits_is_valid(served: Served) -> None:
    (token,) = (await served.ask("FetchJWTSVID")).svids
    assert token.spiffe_id == str(WEB)
    request = messages.ValidateJWTSVIDRequest(audience="bank", svid=token.svid)
    answer = await served.ask("ValidateJWTSVID", request)
    assert (answer.spiffe_id, answer.claims["sub"]) == (str(WEB), str(WEB))
    other = messages.ValidateJWTSVIDRequest(audience="shop", svid=token.svid)
    assert await served.status("ValidateJWTSVID", other) == (
        INVALID,
        "svid: is for another audience",
    )


async def test_a_token_can_be_for_one_identity(served: Served) -> None:
    served.source.register("/api", SHOP)
    await settle()
    request = messages.JWTSVIDRequest(audience=["bank"], spiffe_id="spiffe://example.org/api")
    (token,) = (await served.ask("FetchJWTSVID", request)).svids
    assert token.spiffe_id == "spiffe://example.org/api"


async def test_a_token_that_policy_denies_is_refused(served: Served) -> None:
    request = messages.JWTSVIDRequest(audience=["bank", "vault"])
    code, message = await served.status("FetchJWTSVID", request)
    assert (code, message.split(",")[0]) == (DENIED, "no token for vault: NOT_PERMITTED")
    assert not served.source.minted


@pytest.mark.parametrize(
    ("name", "request_", "field"),
    [
        ("FetchJWTSVID", messages.JWTSVIDRequest(), "audience"),
        ("FetchJWTSVID", messages.JWTSVIDRequest(audience=["a"] * 17), "audience"),
        ("FetchJWTSVID", messages.JWTSVIDRequest(audience=[""]), "audience"),
        (
            "FetchJWTSVID",
            messages.JWTSVIDRequest(audience=["bank"], spiffe_id="web"),
            "spiffe_id",
        ),
        ("ValidateJWTSVID", messages.ValidateJWTSVIDRequest(svid="a.b.c"), "audience"),
        ("ValidateJWTSVID", messages.ValidateJWTSVIDRequest(audience="bank"), "svid"),
        ("ValidateJWTSVID", REQUESTS["ValidateJWTSVID"], "svid"),
    ],
)
async def test_a_field_that_is_wrong_is_not_to_be_retried(
    served: Served, name: str, request_: object, field: str
) -> None:
    code, message = await served.status(name, request_)
    assert (code, message.partition(":")[0]) == (INVALID, field)


@pytest.mark.req("sa-3", part=True)
@pytest.mark.parametrize("name", REQUESTS)
async def test_who_has_no_identity_yet_is_denied(served: Served, name: str) -> None:
    served.source.unregister("/web")
    await settle()
    assert await served.status(name) == (DENIED, "no registration entry matches")


@pytest.mark.parametrize("name", REQUESTS)
async def test_for_whom_nothing_is_held_is_denied(served: Served, name: str) -> None:
    served.held = None
    code, message = await served.status(name)
    assert (code, message.startswith("governd holds no identities")) == (DENIED, True)


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("problem", [AWAY, NotDelegateError("not a delegate")])
async def test_what_cannot_be_had_now_is_unavailable(
    served: Served, name: str, problem: IdentityError
) -> None:
    await served.breaks(problem)
    await served.time.advance(90)  # what was issued before has expired by then
    code, message = await served.status(name)
    assert (code, str(problem) in message) == (UNAVAILABLE, True)


@pytest.mark.req("sa-6", part=True)
async def test_while_the_source_is_away_identities_go_on_and_tokens_are_unavailable(
    served: Served,
) -> None:
    await served.breaks(AWAY)
    assert (await served.ask("FetchX509SVID")).svids
    assert await served.status("FetchJWTSVID") == (UNAVAILABLE, str(AWAY))


@pytest.mark.req("sa-5", part=True)
async def test_rotation_and_revocation_are_told(served: Served) -> None:
    context, answers = served.call_method("FetchX509SVID")
    calls.enter(served.call())
    first = await anext(answers)
    served.source.register("/web", SHOP)
    second = await anext(answers)
    assert first.svids[0].x509_svid != second.svids[0].x509_svid
    served.source.unregister("/web")
    assert await ended(context, anext(answers)) == (DENIED, "no registration entry matches")


@pytest.mark.req("sa-2", part=True)
@pytest.mark.parametrize("name", STREAMS[:2])
async def test_a_federated_bundle_comes_and_goes(served: Served, name: str) -> None:
    served.source.register("/web", SHOP, federates_with=["partner.example"])
    await settle()
    field = "federated_bundles" if name == "FetchX509SVID" else "bundles"
    _, answers = served.call_method(name)
    calls.enter(served.call())
    seen = []
    for trusted in (None, True, False):
        if trusted is not None:
            served.source.federate("partner.example", trusted=trusted)
        seen.append("spiffe://partner.example" in getattr(await anext(answers), field))
    assert seen == [False, True, False]


async def test_a_stream_that_is_cancelled_leaves_nothing(served: Served) -> None:
    before = len(asyncio.all_tasks())
    _, answers = served.call_method("FetchX509SVID")
    calls.enter(served.call())
    await anext(answers)
    waiting = asyncio.ensure_future(anext(answers))
    await settle()
    assert len(asyncio.all_tasks()) > before
    waiting.cancel()
    await settle()
    assert len(asyncio.all_tasks()) == before


async def test_no_status_carries_a_key_or_a_token(served: Served) -> None:
    (token,) = (await served.ask("FetchJWTSVID")).svids
    request = messages.ValidateJWTSVIDRequest(audience="bank", svid=token.svid + "x")
    _, message = await served.status("ValidateJWTSVID", request)
    assert token.svid not in message
