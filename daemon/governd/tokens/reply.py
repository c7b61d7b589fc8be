"""What a token endpoint answers, read strictly.

Follows RFC 6749 (sections 5.1 and 5.2), RFC 8693 (section 2.2) and RFC 6750 (section 2.1).
Whether the token may be handed on is asked elsewhere (``check``, ``id_jag``).

Promises:
    * A refresh token is never read: nobody here keeps one.
    * A token has the letters of a bearer token, and fits into a header as it is.
    * Whatever the bytes, nothing but a ``TokenRefusedError`` is raised, and of a refusal
      nothing but its code is kept, which is words and no token.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

from governd import strict_json
from governd.errors import DefinitionError, TokenRefusedError
from governd.identity import jose
from governd.identity.secret import Secret
from governd.tokens import scopes
from governd.tokens.faults import TokenFault, refuse

MAX_BYTES = 64 << 10
_MAX_DEPTH = 16
_MAX_ERROR_CHARS = 64
_MAX_TYPE_CHARS = 128
_JSON = "application/json"
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_TYPE = re.compile(r"[A-Za-z0-9._:/-]+")
_ERROR = re.compile(r"[a-z]+(?:_[a-z]+)*")


class Reply(NamedTuple):
    """An answer that gives a token. Nothing of the token is checked.

    Attributes:
        token: The token.
        token_type: How to show it, in lower case.
        issued_token_type: As what it is issued; ``None`` where that is not said.
        expires_in: Seconds for which it counts, 0 or more; likewise.
        scopes: What it permits; likewise, which means what was asked for.
        more: Whether it has authorization details (RFC 9396) beside that.
    """

    token: Secret
    token_type: str
    issued_token_type: str | None
    expires_in: int | None
    scopes: tuple[str, ...] | None
    more: bool


class Refusal(NamedTuple):
    """An answer that gives none.

    Attributes:
        status: Of HTTP.
        error: Its code, ``invalid_grant`` say; ``""`` where it has none that is one.
    """

    status: int
    error: str


def read(body: bytes, content_type: str) -> Reply:
    """Reads an answer with status 200.

    Args:
        body: JSON.
        content_type: Of the answer, with its parameters.

    Raises:
        TokenRefusedError: It is none that gives a token.
    """
    if content_type.partition(";")[0].strip().lower() != _JSON:
        _refuse("answer", f"expected {_JSON}")
    found = _members(body)
    return Reply(
        token=_token(found.get("access_token")),
        token_type=_type(found.get("token_type"), "token_type").lower(),
        issued_token_type=_optional_type(found.get("issued_token_type")),
        expires_in=_seconds(found.get("expires_in")),
        scopes=_scopes(found.get("scope")),
        more=bool(found.get("authorization_details")),
    )


def read_refusal(status: int, body: bytes) -> Refusal:
    """Reads an answer with a status from 400 on. There is none that cannot be read."""
    try:
        error = _members(body).get("error")
    except TokenRefusedError:
        error = None
    if not isinstance(error, str) or len(error) > _MAX_ERROR_CHARS or not _ERROR.fullmatch(error):
        return Refusal(status, "")
    return Refusal(status, error)


def refused(refusal: Refusal) -> NoReturn:
    """Raises the error for a refusal.

    Raises:
        TokenRefusedError: Always; the rule is ``refused``.
    """
    said = refusal.error or f"status {refusal.status}, without a code"
    refuse(TokenFault.REFUSED, f"the authorization server refused: {said}", error=refusal.error)


def _members(body: bytes) -> Mapping[str, Any]:
    if len(body) > MAX_BYTES:
        refuse(TokenFault.TOO_LARGE, f"answer: has more than {MAX_BYTES} bytes")
    try:
        return strict_json.read_object(
            body, max_bytes=MAX_BYTES, max_depth=_MAX_DEPTH, path="answer"
        )
    except DefinitionError:
        _refuse("answer", "expected one JSON object that has one meaning")


def _token(value: object) -> Secret:
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        _refuse("access_token", "expected a token of RFC 6750, section 2.1")
    if len(value) > jose.MAX_TOKEN_BYTES:
        refuse(TokenFault.TOO_LARGE, f"access_token: has more than {jose.MAX_TOKEN_BYTES} bytes")
    return Secret(value.encode())


def _type(value: object, name: str) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TYPE_CHARS or not _TYPE.fullmatch(value):
        _refuse(name, f"expected a name of at most {_MAX_TYPE_CHARS} characters")
    return value


def _optional_type(value: object) -> str | None:
    return None if value is None else _type(value, "issued_token_type")


def _seconds(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        _refuse("expires_in", "expected whole seconds")
    return value


def _scopes(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    found = scopes.split(value)
    if found is None:
        _refuse("scope", "expected words of RFC 6749, section 3.3")
    return found


def _refuse(name: str, problem: str) -> NoReturn:
    refuse(TokenFault.MALFORMED, f"{name}: {problem}")
