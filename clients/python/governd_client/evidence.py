"""What shows governd in whose name this workload acts. Secrets: no ``repr`` has them."""

import enum
from dataclasses import dataclass, field

from governd_client._proto.governd.v1 import types_pb2
from governd_client.errors import InvalidRequestError


class EvidenceKind(enum.Enum):
    """Which kind of token it is."""

    ID_TOKEN = "id_token"  # noqa: S105 - the name of a kind
    """An OpenID Connect ID token of the user, whose audience is this workload's client."""

    ACCESS_TOKEN = "access_token"  # noqa: S105 - likewise
    """An OAuth access token of the user in JWT form, whose audience is this workload."""

    ACTING_AS_TOKEN = "acting_as_token"  # noqa: S105 - likewise
    """An acting-as token whose audience is this workload."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A token that shows in whose name somebody acts.

    Attributes:
        kind: Which kind it is.
        token: The token.
    """

    kind: EvidenceKind
    token: str = field(repr=False)

    def to_proto(self) -> types_pb2.Evidence:
        """Writes it.

        Raises:
            InvalidRequestError: The token is not text in UTF-8.
        """
        return evidence_message(self.kind.value, self.token)


def evidence_message(kind: str, token: str) -> types_pb2.Evidence:
    """Writes evidence of a kind, given by the kind's value.

    Raises:
        InvalidRequestError: The token is not text in UTF-8.
    """
    field_name = f"evidence.{kind}"
    message = types_pb2.Evidence()
    try:
        setattr(message, kind, token)
    except (TypeError, ValueError):
        # Without its cause, which could quote the token.
        text = f"{field_name}: expected text in UTF-8"
        raise InvalidRequestError(text, field=field_name) from None
    return message
