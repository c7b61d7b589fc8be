"""Requests about acting-as tokens say one thing, or name the field that does not."""

from typing import Any

import pytest

from governd._proto.governd.v1 import delegation_service_pb2 as pb
from governd.delegation.acting_as import MAX_LIFETIME_SECONDS
from governd.delegation.binding import BindingLevel, request_binding
from governd.delegation.rejection import Reason, Rejected
from governd.errors import RequestError
from governd.services import delegation_messages as messages
from tests.fakes.delegating import Delegating
from tests.fakes.forge import PLANNER, ROUTER, digest, workload

DETAILS = b'[{"type":"mcp_tool","actions":["call"],"locations":["l"],"tools":["t"]}]'
REQUEST = pb.RequestBinding(method="POST", uri="https://a.example/mcp?x=1")


def mint(**fields: Any) -> pb.MintRequest:
    return pb.MintRequest(**{"audience": ROUTER, **fields})


def test_what_is_left_out_is_as_documented() -> None:
    found = messages.wanted(mint())
    assert (found.audience, found.scopes, found.details) == (workload(ROUTER), (), ())
    order = found.order
    assert order.lifetime_seconds == MAX_LIFETIME_SECONDS, "policy cuts it"
    assert (order.max_depth, order.transaction, order.request) == (None, None, None)
    assert messages.wanted(pb.ExtendRequest(audience=ROUTER)).order.transaction is None


def test_everything_is_read() -> None:
    found = messages.wanted(
        mint(
            scopes=["b", "a"],
            authorization_details_json=DETAILS,
            lifetime={"seconds": 30, "nanos": 999},
            request=REQUEST,
            max_depth=2,
            transaction="t",
        )
    )
    assert (found.scopes, found.details[0].tools) == (("a", "b"), ("t",))
    assert (found.order.lifetime_seconds, found.order.max_depth) == (30, 2)
    assert found.order.request == request_binding("POST", "https://a.example/mcp?x=1")
    assert found.order.transaction == "t"


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("audience", {"audience": ""}),
        ("audience", {"audience": "spiffe://example.org"}),
        ("scopes", {"scopes": ["a", "a"]}),
        ("authorization_details_json", {"authorization_details_json": b'{"a":1}'}),
        ("lifetime", {"lifetime": {"seconds": 0}}),
        ("lifetime", {"lifetime": {"seconds": -5}}),
        ("max_depth", {"max_depth": 9}),
        ("request.method", {"request": {"method": "post", "uri": "https://a.example/"}}),
        ("request.uri", {"request": {"method": "POST", "uri": "https://a.example/x/../y"}}),
        (
            "request.body_digest",
            {"request": {"method": "POST", "uri": "https://a.example/", "body_digest": "x"}},
        ),
    ],
)
def test_a_field_that_is_malformed_is_named(field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as raised:
        messages.wanted(mint(**fields))
    assert raised.value.field == field


def test_how_a_token_came_is_the_receiver_s_word() -> None:
    certificate = digest(b"certificate")
    request = pb.VerifyRequest(peer=PLANNER, peer_certificate=certificate, request=REQUEST)
    found = messages.arrival(request)
    assert (found.peer, found.certificate) == (workload(PLANNER), certificate)
    assert found.request is not None
    nothing = messages.arrival(pb.VerifyRequest())
    assert (nothing.peer, nothing.certificate, nothing.request) == (None, None, None)


@pytest.mark.parametrize(
    ("field", "fields"),
    [("peer", {"peer": "planner"}), ("peer_certificate", {"peer_certificate": "x"})],
)
def test_how_it_came_is_read_strictly(field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as raised:
        messages.arrival(pb.VerifyRequest(**fields))
    assert raised.value.field == field


def test_every_level_has_its_place_and_others_are_refused() -> None:
    def level(value: int) -> BindingLevel:
        return messages.least_binding(pb.VerifyRequest(least_binding=value))  # type: ignore[arg-type]

    assert [level(value) for value in range(5)] == [BindingLevel.REQUEST, *BindingLevel]
    with pytest.raises(RequestError) as raised:
        level(5)
    assert raised.value.field == "least_binding"


def test_the_reasons_of_the_domain_are_those_of_the_proto() -> None:
    names = {value.name for value in pb.RejectionReason.DESCRIPTOR.values}
    prefix = "REJECTION_REASON_"
    assert {f"{prefix}{one.name}" for one in Reason} == names - {f"{prefix}UNSPECIFIED"}
    for reason in Reason:
        answer = messages.verified(Rejected(reason, "words"))
        assert pb.RejectionReason.Name(answer.rejected) == f"{prefix}{reason.name}"
        assert answer.detail == "words"


async def test_a_token_that_was_issued_and_what_its_audience_is_told() -> None:
    node = await Delegating().open()
    request = request_binding("POST", "https://a.example/")
    wanted = messages.wanted(mint(authorization_details_json=DETAILS))
    issued = await node.mint(PLANNER, ROUTER, request=request, details=wanted.details)
    sent = messages.issued(issued)
    assert dict(sent.headers) == {"Acting-As-Token": sent.token}
    found = await node.verify(ROUTER, issued, request=request)
    told = messages.verified(found).verified
    assert (told.user, told.digest) == ("alice", issued.delegation.digest)
    assert told.authorization_details_json == DETAILS
    assert told.expires_at == sent.expires_at
