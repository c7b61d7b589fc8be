"""The claims of a KYA attestation, read strictly; nothing of them is verified here.

Promises:
    * Each claim has its type and bounds, and no object has a member twice.
    * Whatever the bytes, nothing but a ``RequestError`` is raised.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from governd.errors import RequestError
from governd.identity import SpiffeId, jose
from governd.kya.attestation import Attestation
from governd.kya.card_signature import SignatureStatus
from governd.kya.level import Level

MAX_TEXT_CHARS = 2048
MAX_SKILLS = 256

_STATUS = {status.name.lower(): status for status in SignatureStatus}
_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""What no card's text has: control characters and halves of surrogate pairs."""


def read_claims(payload: bytes) -> Attestation:
    """Reads the claims of an attestation. Nothing of them is verified.

    Claims that are not known are passed over, so that attesters can be newer than verifiers.

    Raises:
        RequestError: One is missing or malformed; ``field`` names it.
    """
    try:
        claims = jose.read_object(payload)
    except ValueError:
        _refuse("payload", "does not parse")
    return _attestation(_Members(claims, ""))


class _Members:
    """The members of an object, each with its type and bounds."""

    def __init__(self, members: Mapping[str, Any], path: str) -> None:
        self._members, self._path = members, path

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def inner(self, name: str) -> "_Members":
        found = self._members.get(name)
        if not isinstance(found, dict):
            _refuse(self._path + name, "expected an object")
        return _Members(found, f"{self._path}{name}.")

    def text(self, name: str, *, required: bool = False) -> str:
        found = self._members.get(name, "")
        self._check(name, found)
        if required and not found:
            _refuse(self._path + name, "required")
        return str(found)

    def texts(self, name: str) -> tuple[str, ...]:
        found = self._members.get(name, [])
        if not isinstance(found, list) or len(found) > MAX_SKILLS:
            _refuse(self._path + name, f"expected a list of at most {MAX_SKILLS} texts")
        for one in found:
            self._check(name, one)
        return tuple(found)

    def _check(self, name: str, text: object) -> None:
        if not isinstance(text, str) or len(text) > MAX_TEXT_CHARS or _ODD.search(text):
            problem = f"expected a text of at most {MAX_TEXT_CHARS} printable characters"
            _refuse(self._path + name, problem)

    def moment(self, name: str) -> datetime:
        found = self._members.get(name)
        if isinstance(found, float):
            _refuse(self._path + name, "expected whole seconds")
        try:
            return datetime.fromtimestamp(jose.read_seconds(found), UTC)
        except ValueError as error:
            _refuse(self._path + name, str(error))

    def spiffe_id(self, name: str) -> SpiffeId:
        return SpiffeId.parse(self.text(name), field=self._path + name)

    def level(self, name: str) -> Level:
        found = self._members.get(name)
        if isinstance(found, bool) or found not in list(Level):
            _refuse(self._path + name, f"expected 0 to {max(Level)}")
        return Level(found)

    def status(self, name: str) -> SignatureStatus:
        found = _STATUS.get(self.text(name))
        if found is None:
            _refuse(self._path + name, f"expected one of {', '.join(_STATUS)}")
        return found


def _attestation(claims: _Members) -> Attestation:
    card, agent = claims.inner("card"), claims.inner("agent")
    signature = card.inner("signature")
    return Attestation(
        issuer=claims.spiffe_id("iss"),
        subject=claims.spiffe_id("sub"),
        issued_at=claims.moment("iat"),
        expires=claims.moment("exp"),
        token_id=claims.text("jti", required=True),
        certificate=_certificate(claims),
        card_digest=card.text("digest", required=True),
        card_version=card.text("version"),
        dialect=card.text("protocol_version"),
        signature=signature.status("status"),
        key_id=signature.text("kid"),
        thumbprint=signature.text("jkt"),
        name=agent.text("name"),
        provider=agent.text("provider"),
        skills=agent.texts("skills"),
        level=claims.inner("kya").level("level"),
        policy_digest=claims.inner("kya").text("policy_digest"),
    )


def _certificate(claims: _Members) -> str:
    return claims.inner("cnf").text("x5t#S256", required=True) if "cnf" in claims else ""


def _refuse(path: str, problem: str) -> NoReturn:
    message = f"{path}: {problem}"
    raise RequestError(message, field=path) from None
