"""One token or none, wherever it travels; what two readers could take differently is refused."""

import pytest

from governd.delegation import carriage
from governd.delegation.rejection import Reason, RejectionError

TOKEN = "eyJ.e30.c2ln"
EXTENSION = "https://governd.io/ext/acting-as/v1"


def test_what_is_put_is_taken() -> None:
    assert carriage.from_headers(carriage.http_headers(TOKEN).items()) == TOKEN
    assert carriage.from_headers(carriage.grpc_metadata(TOKEN)) == TOKEN
    assert carriage.from_mcp(carriage.mcp_meta(TOKEN)) == TOKEN
    assert carriage.from_a2a(carriage.a2a_metadata(TOKEN)) == TOKEN


def test_names_are_those_of_the_documents() -> None:
    assert carriage.http_headers(TOKEN) == {"Acting-As-Token": TOKEN}
    assert carriage.grpc_metadata(TOKEN) == (("acting-as-token", TOKEN),)
    assert carriage.mcp_meta(TOKEN) == {"io.governd/acting-as-token": TOKEN}
    assert carriage.a2a_metadata(TOKEN) == {EXTENSION: {"token": TOKEN}}


def test_no_token_is_none() -> None:
    others = [("authorization", "Bearer x"), ("acting-as", "x"), ("x-acting-as-token", "x")]
    assert carriage.from_headers(others) is None
    assert carriage.from_mcp({"io.governd/other": 1}) is None
    assert carriage.from_a2a({}) is None
    assert carriage.the_one(None, None) is None


@pytest.mark.parametrize("name", ["acting-as-token", "ACTING-AS-TOKEN", "Acting-as-Token"])
def test_the_name_of_a_header_is_in_any_case(name: str) -> None:
    assert carriage.from_headers([("a", "b"), (name, TOKEN)]) == TOKEN


@pytest.mark.req("r-3", part=True)
@pytest.mark.parametrize(
    "headers",
    [
        [("Acting-As-Token", TOKEN), ("Acting-As-Token", TOKEN)],
        [("Acting-As-Token", TOKEN), ("acting-as-token", "e.e.e")],
        [("Acting-As-Token", TOKEN), ("Acting_As_Token", "e.e.e")],
        [("acting_as_token", TOKEN)],
        [("acting-as_token", TOKEN)],
        [("Acting-As-Token", f"{TOKEN},{TOKEN}")],
        [("Acting-As-Token", f"{TOKEN}, e.e.e")],
        [("Acting-As-Token", f" {TOKEN}")],
        [("Acting-As-Token", f"{TOKEN}\t")],
        [("Acting-As-Token", "")],
        [("Acting-As-Token", f'"{TOKEN}"')],
        [("Acting-As-Token", f"Bearer {TOKEN}")],
        [("acting-as-token", TOKEN.encode())],
    ],
)
def test_attack_a_header_twice_or_merged(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(RejectionError) as raised:
        carriage.from_headers(headers)
    assert raised.value.rejected.reason is Reason.CARRIAGE
    assert TOKEN not in str(raised.value)


@pytest.mark.parametrize("value", [None, 1, "", [TOKEN], {"token": TOKEN}, f"{TOKEN},"])
def test_what_is_no_text_in_mcps_meta_is_refused(value: object) -> None:
    with pytest.raises(RejectionError):
        carriage.from_mcp({"io.governd/acting-as-token": value})


@pytest.mark.parametrize(
    "value", [None, 1, TOKEN, {}, {"token": 1}, {"token": TOKEN, "tokens": []}, [TOKEN]]
)
def test_what_is_no_object_with_a_token_in_a2as_metadata_is_refused(value: object) -> None:
    with pytest.raises(RejectionError):
        carriage.from_a2a({EXTENSION: value})


@pytest.mark.req("r-3", part=True)
def test_attack_one_token_in_the_header_and_another_in_the_body() -> None:
    assert carriage.the_one(TOKEN, None, TOKEN) == TOKEN
    with pytest.raises(RejectionError, match="differs"):
        carriage.the_one(TOKEN, "e.e.e")
