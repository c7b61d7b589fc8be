"""The vectors of acting-as tokens, and how governd answers them."""

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from governd.delegation import carriage
from governd.delegation.acting_as import ActingAs
from governd.delegation.attenuation import Order, Stamp, extend
from governd.delegation.binding import BindingLevel, RequestBinding, body_digest, request_binding
from governd.delegation.details import read_details
from governd.delegation.expectations import Arrival, Expectations, IssuerRule
from governd.delegation.opening import Opener
from governd.delegation.refusals import AttenuationError
from governd.delegation.rejection import RejectionError
from governd.delegation.replay import UsedTokens
from governd.delegation.revocations import Revocations
from governd.delegation.verification import Receiver, Verified
from governd.identity import SpiffeId
from governd.identity.user import User
from governd.identity.verification import Verifier
from governd.policy.allowed import Ruling, Terms, allow
from governd.policy.decision import Decision, DecisionCode
from governd.policy.question import Question, ResourceRef

FOLDER = Path(__file__).parent / "conformance" / "vectors" / "acting_as"
Vector = Mapping[str, Any]
Result = dict[str, Any]


def suites() -> Iterator[tuple[str, dict[str, Any]]]:
    """The files, by name."""
    for path in sorted(FOLDER.glob("*.json")):
        if path.name != "schema.json":
            yield path.stem, json.loads(path.read_text(encoding="utf-8"))


def answer(bundles: Mapping[str, list[str]], vector: Vector) -> Result:
    """The result that governd's domain has for a vector; all that it could say."""
    ders = {name: [base64.b64decode(der) for der in found] for name, found in bundles.items()}
    receiver = Receiver(Opener(Verifier(ders)), UsedTokens())
    if "parent" in vector:
        return _extended(receiver, vector)
    return _received(receiver, vector)


def agrees(result: Result, wanted: Result) -> bool:
    """Whether a result says at least what is wanted."""
    if result.keys() != wanted.keys():
        return False
    (kind,) = wanted
    return bool(wanted[kind].items() <= result[kind].items())


def _received(receiver: Receiver, vector: Vector) -> Result:
    now = datetime.fromtimestamp(vector["now"], UTC)
    expected, arrival = _expectations(vector["expectations"]), _arrival(vector["arrival"])
    for text in vector["before"]:
        receiver.receive(text, expected, arrival, now)
    try:
        text = _presented(vector["presented"])
    except RejectionError as error:
        return {"rejected": {"reason": error.rejected.reason.name}}
    found = receiver.receive(text, expected, arrival, now)
    if not isinstance(found, Verified):
        return {"rejected": {"reason": found.reason.name}}
    return {"accepted": {**_said(found.token), "binding": found.binding.name}}


def _presented(carried: Vector) -> str:
    found = carriage.the_one(
        carried.get("token"),
        carriage.from_headers((name, value) for name, value in carried.get("headers", ())),
        carriage.from_mcp(carried.get("mcp_meta", {})),
        carriage.from_a2a(carried.get("a2a_metadata", {})),
    )
    assert found is not None
    return found


def _extended(receiver: Receiver, vector: Vector) -> Result:
    permit = vector["permit"]
    now = datetime.fromtimestamp(vector["now"], UTC)
    # Whoever is not its audience does not even hold it: then the rule of minting speaks.
    audiences = frozenset(map(SpiffeId.parse, (permit["actor"], _audience(vector["parent"]))))
    expected = Expectations(audiences, _issuers(vector["issuers"]))
    parent = receiver.inspect(vector["parent"], expected, now)
    assert isinstance(parent, Verified), parent
    stamp = Stamp(parent.signer, now + timedelta(minutes=15), bytes(16), now)
    try:
        token = extend(parent, _allowed(permit), Order(**vector["order"]), stamp)
    except AttenuationError as error:
        return {"refused": {"rule": error.rule}}
    return {"accepted": _said(token)}


def _audience(token: str) -> str:
    payload = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(payload + "=="))["aud"])


def _allowed(permit: Vector) -> Any:
    details = read_details(permit["authorization_details"], field="details")
    terms = Terms(
        SpiffeId.parse(permit["audience"]),
        tuple(permit["scopes"]),
        tuple(one.canonical for one in details),
        _user(permit["user"]),
    )
    resource = ResourceRef("agent", permit["audience"])
    asked = Question(SpiffeId.parse(permit["actor"]), "delegation/mint", resource)
    return allow(asked, Decision(DecisionCode.PERMITTED), terms, Ruling("0" * 32, "sha-256:00"))


def _said(token: ActingAs) -> dict[str, Any]:
    return {
        "user": {"issuer": token.user.issuer, "subject": token.user.subject},
        "actors": [str(actor) for actor in token.actors],
        "scopes": list(token.scopes),
        "transaction": token.transaction,
        "expires_at": token.expires_at,
        "kya_level": token.kya_level,
    }


def _expectations(found: Vector) -> Expectations:
    revoked = found["revoked"]
    return Expectations(
        frozenset(map(SpiffeId.parse, found["audiences"])),
        _issuers(found["issuers"]),
        BindingLevel[found["least_binding"]],
        Revocations(
            frozenset(revoked["transactions"]),
            frozenset(revoked["tokens"]),
            frozenset(map(_user, revoked["users"])),
            frozenset(map(SpiffeId.parse, revoked["workloads"])),
        ),
    )


def _issuers(found: list[Vector]) -> tuple[IssuerRule, ...]:
    return tuple(
        IssuerRule(SpiffeId.parse(one["prefix"]), frozenset(one["also_for"])) for one in found
    )


def _user(found: Vector) -> User:
    return User(found["issuer"], found["subject"])


def _arrival(found: Vector) -> Arrival:
    peer = found["peer"]
    return Arrival(
        SpiffeId.parse(peer) if peer else None,
        found["peer_certificate"],
        _request(found["request"]) if found["request"] else None,
    )


def _request(found: Vector) -> RequestBinding:
    body = found["body_base64"]
    digest = None if body is None else body_digest(base64.b64decode(body))
    return request_binding(found["method"], found["uri"], digest)
