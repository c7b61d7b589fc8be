"""No token without a permit for each audience and identity, on record before it is minted."""

from collections.abc import AsyncIterator

import pytest

from governd.application.issue_jwt_svid import MAX_AUDIENCES, Denial
from governd.errors import NoIdentityError, RateLimitedError, RequestError, SourceAwayError
from governd.identity import SpiffeId
from governd.identity.svid import JwtSvid
from tests.fakes.identity_source import FakeIdentitySource
from tests.fakes.time import settle
from tests.fakes.workloads import SHOP, WEB, FakeWorkload

API = SpiffeId.parse("spiffe://example.org/api")
POLICY = """
@id("bank") permit (
  principal, action == Action::"identity/jwt-svid", resource == ExternalService::"bank"
);
@id("shop") permit (
  principal, action == Action::"identity/jwt-svid",
  resource == ExternalService::"https://shop.example/api"
);
@id("cloud") permit (
  principal, action == Action::"identity/jwt-svid",
  resource == ExternalService::"audience:api://AzureADTokenExchange"
);
@id("web-only") forbid (
  principal == Agent::"spiffe://example.org/api",
  action == Action::"identity/jwt-svid",
  resource == ExternalService::"https://shop.example/api"
);
@id("careful") @obligation("step-up") permit (
  principal, action == Action::"identity/jwt-svid", resource == ExternalService::"careful"
);
@id("calls") permit (
  principal, action == Action::"http/request", resource == ExternalService::"called"
);
"""
PERMIT_ALL = '@id("all") permit (principal, action, resource);'
SHOP_API = "https://shop.example/api"
AZURE = "api://AzureADTokenExchange"


def web(source: FakeIdentitySource) -> None:
    source.register("/web", SHOP)


class Issuing(FakeWorkload):
    """A workload that asks for tokens."""

    def __init__(self, policy: str = POLICY, *, unsafe: bool = False) -> None:
        super().__init__(policy, before=web, unsafe_answer_without_log=unsafe)

    async def ask(
        self, *audiences: str, spiffe_id: SpiffeId | None = None
    ) -> tuple[JwtSvid, ...] | Denial:
        assert self.held is not None
        return await self.issuer.issue(self.call(), self.held, audiences, spiffe_id)

    async def granted(self, *audiences: str, spiffe_id: SpiffeId | None = None) -> list[SpiffeId]:
        found = await self.ask(*audiences, spiffe_id=spiffe_id)
        assert not isinstance(found, Denial), found
        return [svid.spiffe_id for svid in found]

    async def denied(self, *audiences: str, spiffe_id: SpiffeId | None = None) -> Denial:
        found = await self.ask(*audiences, spiffe_id=spiffe_id)
        assert isinstance(found, Denial)
        assert not self.source.minted
        return found


@pytest.fixture
async def workload() -> AsyncIterator[Issuing]:
    workload = Issuing()
    await workload.open()
    yield workload
    await workload.close()


@pytest.mark.req("sa-3", part=True)
async def test_a_permitted_token_is_minted_once_it_is_on_record(workload: Issuing) -> None:
    on_record: list[int] = []
    workload.source.meanwhile = lambda: on_record.append(len(workload.log.lines))
    assert await workload.granted("bank") == [WEB]
    assert (workload.source.minted, on_record) == ([["bank"]], [1])
    (record,) = workload.records
    assert record["decision"] is True
    assert (record["action"], record["resource"]) == (
        "identity/jwt-svid",
        {"type": "external_service", "id": "bank"},
    )


async def test_each_audience_is_a_question_of_its_own(workload: Issuing) -> None:
    assert await workload.granted("bank", SHOP_API, AZURE) == [WEB]
    assert workload.source.minted == [["bank", SHOP_API, AZURE]]
    assert [record["resource"]["id"] for record in workload.records] == [
        "bank",
        SHOP_API,
        f"audience:{AZURE}",
    ]


@pytest.mark.req("sa-3", part=True)
async def test_one_deny_denies_the_whole_call_and_nothing_is_minted(workload: Issuing) -> None:
    denial = await workload.denied("bank", "vault", SHOP_API)
    assert denial.audience == "vault"
    assert [record["decision"] for record in workload.records] == [True, False, True]
    assert str(denial) == (
        f"no token for vault: NOT_PERMITTED, decision {denial.answer.decision_id}"
    )


async def test_without_a_policy_that_says_so_there_are_no_tokens() -> None:
    workload = Issuing("")
    await workload.open()
    assert (await workload.denied("bank")).answer.decision.code.name == "NOT_PERMITTED"
    await workload.close()


async def test_attack_permission_to_call_a_service_is_none_to_be_believed_there(
    workload: Issuing,
) -> None:
    await workload.denied("called")


@pytest.mark.parametrize("name", ["/governd", "/governd/server/node-1", "/governd/signer/node-1"])
async def test_attack_a_token_for_governd_itself(name: str) -> None:
    workload = Issuing(PERMIT_ALL)
    await workload.open()
    denial = await workload.denied(f"spiffe://example.org{name}")
    assert denial.answer.decision.reasons == ("base/reserved-audiences",)
    assert await workload.granted("spiffe://example.org/bank") == [WEB]
    await workload.close()


@pytest.mark.parametrize(
    "audience",
    [
        "spiffe://EXAMPLE.org/governd/server/a",
        "SPIFFE://example.org/governd/server/a",
        "spiffe://example.org/governd/server/a/",
        "spiffe://example.org/./governd/server/a",
        "spiffe://example.org/%67overnd/server/a",
        "spiffe://example.org/governd/server/a?x",
        "spiffe://example.org/governd/server/a#x",
        "spiffe:///governd",
        "spiffe:example.org/governd",
        "HTTPS://issuer.example/realm",
        "https://ISSUER.example/realm",
        "https:issuer.example",
        "https://issuer.example/realm/../other",
    ],
)
async def test_attack_another_spelling_of_an_address(audience: str) -> None:
    workload = Issuing(PERMIT_ALL)
    await workload.open()
    with pytest.raises(RequestError) as raised:
        await workload.ask("bank", audience)
    assert raised.value.field == "audience"
    assert not workload.records
    assert not workload.source.minted
    await workload.close()


@pytest.mark.parametrize(
    "audiences",
    [(), ("",), ("bank", ""), ("x" * 2049,), ("a\nb",), (" bank",), ("bänk",), ("bank\0",)],
    ids=range(8),
)
async def test_audiences_are_bounded_and_printable(
    workload: Issuing, audiences: tuple[str, ...]
) -> None:
    with pytest.raises(RequestError, match="audience: expected 1 to"):
        await workload.ask(*audiences)
    assert not workload.records


async def test_there_are_not_too_many_audiences(workload: Issuing) -> None:
    names = [f"a{number}" for number in range(MAX_AUDIENCES + 1)]
    with pytest.raises(RequestError, match="not 17"):
        await workload.ask(*names)
    await workload.denied(*names[:-1])
    assert len(workload.records) == MAX_AUDIENCES


async def test_the_longest_audience_is_asked_about(workload: Issuing) -> None:
    await workload.denied("X" * 2048)
    assert workload.records[0]["resource"]["id"] == "audience:" + "X" * 2048


async def test_an_audience_twice_is_one(workload: Issuing) -> None:
    await workload.granted("bank", "bank")
    assert workload.source.minted == [["bank"]]


async def test_a_permit_with_an_obligation_is_none_here(workload: Issuing) -> None:
    denial = await workload.denied("careful")
    assert denial.answer.decision.obligations[0].type == "step-up"


@pytest.mark.req("sa-3", part=True)
async def test_policy_is_asked_about_every_identity_of_the_workload(workload: Issuing) -> None:
    workload.source.register("/api", SHOP)
    await settle()
    assert await workload.granted("bank") == [WEB, API]
    assert [(record["caller"], record["subject"]) for record in workload.records] == [
        (str(WEB), str(WEB)),
        (str(WEB), str(API)),
    ]
    workload.source.minted.clear()
    denial = await workload.denied(SHOP_API)
    assert denial.answer.decision.reasons == ("web-only",)
    assert denial.answer.question.subject == API


async def test_one_identity_can_be_chosen(workload: Issuing) -> None:
    workload.source.register("/api", SHOP)
    await settle()
    assert await workload.granted(SHOP_API, spiffe_id=WEB) == [WEB]
    workload.source.minted.clear()
    await workload.denied(SHOP_API, spiffe_id=API)


async def test_attack_an_identity_that_is_another_workloads(workload: Issuing) -> None:
    workload.source.register("/other", "k8s:ns:other")
    await settle()
    with pytest.raises(NoIdentityError, match="/other is not issued"):
        await workload.ask("bank", spiffe_id=SpiffeId.parse("spiffe://example.org/other"))
    assert not workload.records


async def test_an_identity_that_comes_after_the_question_gets_no_token(workload: Issuing) -> None:
    workload.source.meanwhile = lambda: workload.source.register("/api", SHOP)
    assert await workload.granted("bank") == [WEB]


async def test_an_identity_that_took_the_others_place_gets_no_token(workload: Issuing) -> None:
    def replace() -> None:
        workload.source.register("/api", SHOP)
        workload.source.unregister("/web")

    workload.source.meanwhile = replace
    with pytest.raises(NoIdentityError, match="replaced"):
        await workload.ask("bank")


async def test_a_workload_without_identity_asks_nothing(workload: Issuing) -> None:
    workload.source.unregister("/web")
    await settle()
    with pytest.raises(NoIdentityError):
        await workload.ask("bank")
    assert not workload.records


async def test_while_the_source_is_away_no_token_is_to_be_had(workload: Issuing) -> None:
    await workload.breaks(SourceAwayError("SPIRE agent is away"))
    with pytest.raises(SourceAwayError, match="away"):
        await workload.ask("bank")
    assert len(workload.records) == 1, "it was permitted all the same"


async def test_every_question_is_charged(workload: Issuing) -> None:
    workload.source.register("/api", SHOP)
    await settle()
    await workload.denied("bank", "vault")
    assert workload.rate.charged == 3, "the call itself is charged where it comes in"
    workload.rate.left = 2
    with pytest.raises(RateLimitedError):
        await workload.ask("bank", "vault")
    assert len(workload.records) == 4


@pytest.mark.parametrize("unsafe", [False, True])
async def test_attack_a_token_that_is_not_on_record(unsafe: bool) -> None:
    workload = Issuing(unsafe=unsafe)
    await workload.open()
    workload.log.full = True
    denial = await workload.denied("bank")
    assert denial.answer.decision.code.name == "LOG_UNAVAILABLE"
    await workload.close()


async def test_a_permit_for_a_token_is_not_leased(workload: Issuing) -> None:
    await workload.granted("bank")
    assert [record["lease_seconds"] for record in workload.records] == [0]
