"""What ``governd token get`` reads: a user's token."""

import re
from typing import NamedTuple

from governd._proto.governd.v1 import types_pb2
from governd.cli import input_file, token_claims
from governd.identity.secret import Secret

OPTION, TYPE_OPTION = "--evidence-file", "--evidence-type"
TYPES = {"id-token": "id_token", "access-token": "access_token", "acting-as": "acting_as_token"}
"""Words of the command line, and the members of ``Evidence``."""
_LIKE_A_TOKEN = re.compile(r"eyJ[\w-]*\.[\w-]+\.[\w-]*", re.ASCII)
_BY_TYP = {
    "at+jwt": "access-token",
    "application/at+jwt": "access-token",
    "acting-as+jwt": "acting-as",
}


class Shown(NamedTuple):
    """A user's token as evidence, and whose it is.

    Attributes:
        kind: One of the members of ``Evidence``.
        token: The token itself.
        user: As the token says; what governd answers to it vouches for that.
        issuer: Who knows the user by that name.
    """

    kind: str
    token: Secret
    user: str
    issuer: str

    def evidence(self) -> types_pb2.Evidence:
        """What is sent; a secret is in it."""
        evidence = types_pb2.Evidence()
        setattr(evidence, self.kind, self.token.reveal().decode())
        return evidence


def read(name: str | None, kind: str | None) -> Shown | None:
    """The evidence in a file, ``-`` for standard input; ``None`` where there is none.

    Without ``kind``, one of ``TYPES``, the token's header says it: what is neither an access
    token (RFC 9068) nor an acting-as token is an ID token, which has no type of its own.

    Raises:
        click.UsageError: It cannot be read.
    """
    if name is None:
        if kind is not None:
            input_file.refuse(TYPE_OPTION, f"says of what type the {OPTION} is; there is none")
        return None
    if _LIKE_A_TOKEN.fullmatch(name):
        why = "names a file; on a command line a token is there for everybody on the machine"
        input_file.refuse(OPTION, why)
    token = input_file.read_token(name, OPTION)
    kind = kind or _BY_TYP.get(str(token_claims.header(token).get("typ")).lower(), "id-token")
    return Shown(TYPES[kind], token, *_user(token))


def _user(token: Secret) -> tuple[str, str]:
    """Whom a token is about: an acting-as token's user has an issuer of its own."""
    claims = token_claims.read(token) or {}
    return str(claims.get("sub", "")), str(claims.get("sub_iss", claims.get("iss", "")))
