"""Cards between governd and the A2A SDK: what one signs, the other verifies, and both ways.

The SDK is the real one. Where it differs from the specification, governd keeps to the
specification; the differences are shown here, so that they are noticed when they go.
"""

import base64
import json
from typing import Any

import pytest
from a2a.server.request_handlers.response_helpers import agent_card_to_dict
from a2a.types import AgentCard as SdkCard
from a2a.utils.signing import (
    InvalidSignaturesError,
    ProtectedHeader,
    create_agent_card_signer,
    create_signature_verifier,
)
from cryptography.hazmat.primitives import serialization
from google.api import field_behavior_pb2  # type: ignore[import-untyped]
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from jwt import PyJWK

from governd.kya.card_schema import FLAG, MESSAGES, ONE_OF, STRUCT, TEXT, Form, Presence
from governd.kya.card_signature import SignatureStatus, Vouched, check_signatures
from governd.kya.level import Level
from tests.agent_cards import (
    ACME,
    AUTHORITY,
    CALLER,
    World,
    card,
    jwk,
    read,
    self_signed,
    signed,
    skill,
)
from tests.fakes.authority import NOON, Issued

OWN = AUTHORITY.issue(str(CALLER))
FULL = card(
    description="Plänt 🔥 with \u20ac and \ue000\U00010000",
    documentationUrl="https://planner.example/docs",
    capabilities={
        "streaming": False,
        "extensions": [
            {
                "uri": "https://governd.io/ext/acting-as/v1",
                "params": {"weight": 1.5, "count": 3, "\u00e9": [[1e21]], "on": False},
            }
        ],
    },
    securitySchemes={
        "mtls": {"mtlsSecurityScheme": {"description": "SPIFFE"}},
        "idp": {
            "oauth2SecurityScheme": {
                "flows": {
                    "authorizationCode": {
                        "authorizationUrl": "https://idp.example/authorize",
                        "tokenUrl": "https://idp.example/token",
                        "scopes": {"plan": "to plan"},
                        "pkceRequired": True,
                    }
                }
            }
        },
    },
    securityRequirements=[{"schemes": {"idp": {"list": ["plan"]}}}],
    skills=[skill("plan", examples=["Plan a trip."]), skill("book", inputModes=["text/plain"])],
)
"""Of every kind of member one, and nothing on which SDK and specification differ."""


def sdk_card(members: dict[str, Any]) -> SdkCard:
    return json_format.ParseDict(members, SdkCard())


def served(found: SdkCard) -> bytes:
    """As an agent of the SDK serves it."""
    return json_format.MessageToJson(found).encode()


def sign_with_sdk(members: dict[str, Any], typ: str = "JOSE") -> bytes:
    """The card as somebody else signs and serves it, with ACME's key."""
    protected = ProtectedHeader(kid="acme-1", alg="ES256", jku=None, typ=typ)
    pem = ACME.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return served(create_agent_card_signer(pem, protected)(sdk_card(members)))


def verify_with_sdk(members: dict[str, Any], key: PyJWK | str) -> None:
    create_signature_verifier(lambda _kid, _jku: key, ["ES256"])(sdk_card(members))


def vouched(text: bytes) -> Vouched:
    return check_signatures(read(text), World().trust())[0]


@pytest.mark.req("gi-6", part=True)
@pytest.mark.parametrize("members", [card(), FULL], ids=["small", "full"])
def test_a_card_that_the_sdk_signed_is_verified(members: dict[str, Any]) -> None:
    text = sign_with_sdk(members)
    assert vouched(text).by_provider
    assert World().register(text).level(NOON) is Level.SIGNED


@pytest.mark.req("gi-6", part=True)
def test_a_card_that_the_sdk_signed_and_somebody_changed_fails() -> None:
    changed = {**json.loads(sign_with_sdk(FULL)), "description": "Another."}
    assert vouched(json.dumps(changed).encode()).status is SignatureStatus.FAILED


@pytest.mark.req("gi-6", part=True)
@pytest.mark.parametrize("members", [card(), FULL], ids=["small", "full"])
def test_the_sdk_verifies_a_card_signed_over_our_canonical_form(members: dict[str, Any]) -> None:
    verify_with_sdk(signed(members), PyJWK.from_json(jwk(ACME, "acme-1").decode()))


@pytest.mark.req("gi-6", part=True)
def test_the_sdk_verifies_a_card_signed_with_a_workloads_svid() -> None:
    members = self_signed(FULL, OWN)
    verify_with_sdk(members, public_key(OWN))
    assert check_signatures(read(members), World().trust())[0].by_caller
    header = json.loads(base64.urlsafe_b64decode(members["signatures"][0]["protected"] + "=="))
    assert header["x5c"] == [base64.b64encode(one).decode() for one in OWN.chain]


def test_the_sdk_refuses_a_card_that_was_changed_after_governds_form_was_signed() -> None:
    changed = {**signed(FULL), "version": "2"}
    with pytest.raises(InvalidSignaturesError):
        verify_with_sdk(changed, PyJWK.from_json(jwk(ACME, "acme-1").decode()))


@pytest.mark.parametrize(
    "changes",
    [
        {"capabilities": {}},
        {"securitySchemes": {"mtls": {"mtlsSecurityScheme": {}}}},
        {"securityRequirements": [{"schemes": {"mtls": {}}}]},
        {"documentationUrl": ""},
        {"capabilities": {"extensions": [{"uri": "x", "params": {"note": ""}}]}},
        {"capabilities": {"extensions": [{"uri": "x", "params": {"note": None}}]}},
    ],
    ids=str,
)
def test_what_the_sdk_leaves_unsigned_governd_does_not_believe(changes: dict[str, Any]) -> None:
    """The SDK drops whatever is empty, at any depth; section 8.4.1 keeps these."""
    assert vouched(sign_with_sdk(card(**changes))).status is SignatureStatus.FAILED


def test_a_signer_of_the_sdk_that_names_no_type_is_refused() -> None:
    """PyJWT writes ``JWT`` then; section 8.4.2 asks for ``JOSE``."""
    found = vouched(sign_with_sdk(card(), typ="JWT"))
    assert found.detail == "has another type than JOSE"


def test_a_member_that_the_sdk_drops_cannot_be_slipped_in() -> None:
    """The SDK's own verifier would pass the card: it never sees the member."""
    slipped = {**json.loads(sign_with_sdk(card())), "trust": "full"}
    assert vouched(json.dumps(slipped).encode()).status is SignatureStatus.FAILED


def test_members_of_the_older_version_that_the_sdk_adds_after_signing_spoil_it() -> None:
    interface = card()["supportedInterfaces"][0]
    both = card(supportedInterfaces=[interface, {**interface, "protocolVersion": "0.3"}])
    made = json_format.Parse(sign_with_sdk(both), SdkCard())
    assert vouched(served(made)).by_provider
    text = json.dumps(agent_card_to_dict(made)).encode()
    assert json.loads(text)["protocolVersion"] == "0.3"
    assert vouched(text).status is SignatureStatus.FAILED


def public_key(issued: Issued) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    key = issued.certificate.public_key()
    return key.public_bytes(serialization.Encoding.PEM, form).decode()


def reachable(message: Descriptor) -> dict[str, Descriptor]:
    """The messages that a card is made of."""
    found, todo = {message.name: message}, [message]
    while todo:
        for field in todo.pop().fields:
            inner = value_of(field).message_type
            if inner and inner.file.package.startswith("lf.a2a") and inner.name not in found:
                found[inner.name] = inner
                todo.append(inner)
    return found


def value_of(field: FieldDescriptor) -> FieldDescriptor:
    """The field itself, of a map that of its values."""
    inner = field.message_type
    return inner.fields_by_name["value"] if inner and is_map(field) else field


def is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def kind_of(field: FieldDescriptor) -> str:
    if field.type == FieldDescriptor.TYPE_STRING:
        return TEXT
    if field.type == FieldDescriptor.TYPE_BOOL:
        return FLAG
    assert field.message_type is not None
    return STRUCT if field.message_type.name == "Struct" else field.message_type.name


def presence_of(field: FieldDescriptor) -> Presence:
    if (
        field_behavior_pb2.REQUIRED
        in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    ):
        return Presence.REQUIRED
    return Presence.EXPLICIT if field.has_presence else Presence.IMPLICIT


def test_the_schema_is_that_of_the_protos() -> None:
    """Names, types, and which members are there even when empty."""
    root = SdkCard.DESCRIPTOR
    assert isinstance(root, Descriptor)
    messages = reachable(root)
    messages.pop("AgentCardSignature")
    assert messages.keys() == MESSAGES.keys()
    for one in messages.values():
        known = MESSAGES[one.name]
        fields = {field.json_name: field for field in one.fields}
        assert fields.keys() - {"signatures"} == known.keys(), one.name
        for name, field in known.items():
            proto = fields[name]
            many = Form.MAP if is_map(proto) else Form.LIST
            form = many if proto.is_repeated else Form.ONE
            assert field.kind == kind_of(value_of(proto)), name
            assert field.form is form, name
            assert field.presence is presence_of(proto), name
        unions = [oneof for oneof in one.oneofs if not oneof.name.startswith("_")]
        assert bool(unions) is (one.name in ONE_OF), one.name
