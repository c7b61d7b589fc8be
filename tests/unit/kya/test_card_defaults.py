"""What is signed is what A2A says, and no reader can be made to see something else."""

import json
from typing import Any

import pytest

from governd.errors import CardError
from governd.kya.card_schema import MESSAGES, Field, Form, Presence, second_spelling
from tests.agent_cards import card, read, skill


def payload(**changes: Any) -> dict[str, Any]:
    """What is signed of a card with those members."""
    found: dict[str, Any] = json.loads(read(card(**changes)).payload)
    return found


def test_the_example_of_the_specification() -> None:
    """A2A v1.0, section 8.4.1, with the members that it leaves out."""
    capabilities = {"streaming": False, "pushNotifications": False, "extensions": []}
    found = payload(description="", capabilities=capabilities, skills=[])
    assert found["description"] == ""
    assert found["capabilities"] == {"pushNotifications": False, "streaming": False}
    assert found["skills"] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"securitySchemes": {}},
        {"securityRequirements": []},
        {"capabilities": {"streaming": True, "extensions": []}},
        {"skills": [skill("plan", examples=[], inputModes=[], outputModes=[])]},
        {"skills": [skill("plan", securityRequirements=[])]},
        {"supportedInterfaces": [{**card()["supportedInterfaces"][0], "tenant": ""}]},
    ],
    ids=str,
)
def test_a_default_written_out_changes_nothing(changes: dict[str, Any]) -> None:
    assert read(card(**changes)).digest == read(card()).digest


@pytest.mark.parametrize(
    "changes",
    [
        {"documentationUrl": ""},
        {"iconUrl": ""},
        {"capabilities": {"streaming": False}},
        {"capabilities": {"streaming": True, "extendedAgentCard": False}},
        {"capabilities": {}},
        {"securitySchemes": {"mtls": {"mtlsSecurityScheme": {}}}},
        {"securitySchemes": {"mtls": {}}},
        {"securityRequirements": [{"schemes": {"mtls": {"list": []}}}]},
        {"securityRequirements": [{}]},
        {"defaultInputModes": [""]},
        {"defaultInputModes": []},
        {"unknown": ""},
        {"unknown": None},
    ],
    ids=str,
)
def test_what_says_something_by_being_there_is_signed(changes: dict[str, Any]) -> None:
    members = {**card(), **changes}
    assert read(members).digest != read(card()).digest


def test_defaults_go_at_every_depth() -> None:
    flow = {"tokenUrl": "https://idp.example", "scopes": {}, "refreshUrl": ""}
    code = {**flow, "authorizationUrl": "", "pkceRequired": False}
    schemes = {
        "one": {"oauth2SecurityScheme": {"flows": {"clientCredentials": flow}, "description": ""}},
        "two": {"oauth2SecurityScheme": {"flows": {"authorizationCode": code}}},
        "three": {
            "oauth2SecurityScheme": {"flows": {"implicit": {"refreshUrl": "", "scopes": {}}}}
        },
    }
    found = payload(securitySchemes=schemes)["securitySchemes"]
    kept = {"tokenUrl": "https://idp.example", "scopes": {}}
    assert found == {
        "one": {"oauth2SecurityScheme": {"flows": {"clientCredentials": kept}}},
        "two": {
            "oauth2SecurityScheme": {
                "flows": {"authorizationCode": {**kept, "authorizationUrl": ""}}
            }
        },
        "three": {"oauth2SecurityScheme": {"flows": {"implicit": {}}}},
    }


def test_what_an_extension_says_is_signed_as_it_is() -> None:
    params = {"limit": 0, "name": "", "list": [], "deep": {"a": None}}
    extension = {"uri": "", "description": "", "required": False, "params": params}
    found = payload(capabilities={"extensions": [extension, {"uri": "x", "params": {}}]})
    assert found["capabilities"]["extensions"] == [{"params": params}, {"uri": "x", "params": {}}]


def test_a_map_keeps_its_entries() -> None:
    scopes = {"read": ""}
    flow = {"clientCredentials": {"tokenUrl": "", "scopes": scopes}}
    found = payload(securitySchemes={"x": {"oauth2SecurityScheme": {"flows": flow}}})
    flows = found["securitySchemes"]["x"]["oauth2SecurityScheme"]["flows"]
    assert flows == {"clientCredentials": {"scopes": scopes, "tokenUrl": ""}}


@pytest.mark.req("gi-6", part=True)
def test_a_member_that_nobody_knows_is_signed() -> None:
    """A reader that drops it signs or verifies something else than what is there."""
    assert payload(trust={"level": 9})["trust"] == {"level": 9}
    assert payload(skills=[skill("plan", danger=True)])["skills"][0]["danger"] is True


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"security_requirements": []}, "card_json.security_requirements"),
        ({"skills": [skill("a", input_modes=["x"])]}, "card_json.skills[0].input_modes"),
        ({"capabilities": {"push_notifications": True}}, "card_json.capabilities.push_notifi"),
        (
            {"securitySchemes": {"x": {"mtls_security_scheme": {}}}},
            "card_json.securitySchemes.x.mtls_security_scheme",
        ),
    ],
)
def test_a_second_spelling_of_a_member_is_refused(changes: dict[str, Any], field: str) -> None:
    """Some readers take it for the member, others see nothing."""
    with pytest.raises(CardError, match="is a second spelling of a member") as raised:
        read(card(**changes))
    assert raised.value.field.startswith(field)


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("x", {"mtlsSecurityScheme": {}, "openIdConnectSecurityScheme": {"openIdConnectUrl": ""}}),
        (
            "y",
            {"oauth2SecurityScheme": {"flows": {"implicit": {}, "password": {}}}},
        ),
    ],
)
def test_of_several_schemes_none_is_the_one(name: str, members: dict[str, Any]) -> None:
    with pytest.raises(CardError, match="must have one member only"):
        read(card(securitySchemes={name: members}))


def test_a_field_names_one_presence_and_one_form() -> None:
    field = Field("text")
    assert field.required.presence is Presence.REQUIRED
    assert (field.listed.form, field.mapped.form) == (Form.LIST, Form.MAP)
    assert {one.kind for fields in MESSAGES.values() for one in fields.values()} <= {
        "text",
        "flag",
        "struct",
        *MESSAGES,
    }


def test_a_second_spelling_is_the_protos() -> None:
    assert second_spelling("oauth2MetadataUrl") == "oauth2_metadata_url"
    assert second_spelling("name") == "name"
