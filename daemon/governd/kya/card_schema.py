"""The members of an A2A v1.0 agent card, and which of them are there even when empty.

Follows ``specification/a2a.proto`` of A2A v1.0 (https://github.com/a2aproject/A2A), the
messages that ``AgentCard`` reaches, by their names in JSON. Signatures are left out: they
are not part of what is signed.
"""

import enum
import re
from collections.abc import Mapping
from typing import NamedTuple


class Presence(enum.Enum):
    """How a member that says nothing differs from one that is missing (section 5.7).

    Attributes:
        REQUIRED: Always there.
        EXPLICIT: There if it was set, whatever to: ``optional``, and what is a message.
        IMPLICIT: There if it is not the default: "", false, nothing in it.
    """

    REQUIRED = 1
    EXPLICIT = 2
    IMPLICIT = 3


class Form(enum.Enum):
    """How many values a member has: one, a list, or a map by name."""

    ONE = 1
    LIST = 2
    MAP = 3


class Field(NamedTuple):
    """One member.

    Attributes:
        kind: ``TEXT``, ``FLAG``, ``STRUCT``, or the name of a message.
        form: How many there are.
        presence: Whether it is kept where it says nothing.
    """

    kind: str
    form: Form = Form.ONE
    presence: Presence = Presence.IMPLICIT

    @property
    def required(self) -> "Field":
        """The same, always there."""
        return self._replace(presence=Presence.REQUIRED)

    @property
    def explicit(self) -> "Field":
        """The same, there if it was set."""
        return self._replace(presence=Presence.EXPLICIT)

    @property
    def listed(self) -> "Field":
        """A list of such."""
        return self._replace(form=Form.LIST)

    @property
    def mapped(self) -> "Field":
        """A map of such."""
        return self._replace(form=Form.MAP)


TEXT, FLAG, STRUCT = "text", "flag", "struct"
CARD = "AgentCard"

_TEXT, _FLAG = Field(TEXT), Field(FLAG)
_SCOPES = _TEXT.mapped


def _one(message: str) -> Field:
    return Field(message).explicit


MESSAGES: Mapping[str, Mapping[str, Field]] = {
    CARD: {
        "name": _TEXT.required,
        "description": _TEXT.required,
        "supportedInterfaces": Field("AgentInterface").listed.required,
        "provider": _one("AgentProvider"),
        "version": _TEXT.required,
        "documentationUrl": _TEXT.explicit,
        "capabilities": Field("AgentCapabilities").required,
        "securitySchemes": Field("SecurityScheme").mapped,
        "securityRequirements": Field("SecurityRequirement").listed,
        "defaultInputModes": _TEXT.listed.required,
        "defaultOutputModes": _TEXT.listed.required,
        "skills": Field("AgentSkill").listed.required,
        "iconUrl": _TEXT.explicit,
    },
    "AgentInterface": {
        "url": _TEXT.required,
        "protocolBinding": _TEXT.required,
        "tenant": _TEXT,
        "protocolVersion": _TEXT.required,
    },
    "AgentProvider": {"url": _TEXT.required, "organization": _TEXT.required},
    "AgentCapabilities": {
        "streaming": _FLAG.explicit,
        "pushNotifications": _FLAG.explicit,
        "extensions": Field("AgentExtension").listed,
        "extendedAgentCard": _FLAG.explicit,
    },
    "AgentExtension": {
        "uri": _TEXT,
        "description": _TEXT,
        "required": _FLAG,
        "params": _one(STRUCT),
    },
    "AgentSkill": {
        "id": _TEXT.required,
        "name": _TEXT.required,
        "description": _TEXT.required,
        "tags": _TEXT.listed.required,
        "examples": _TEXT.listed,
        "inputModes": _TEXT.listed,
        "outputModes": _TEXT.listed,
        "securityRequirements": Field("SecurityRequirement").listed,
    },
    "SecurityRequirement": {"schemes": Field("StringList").mapped},
    "StringList": {"list": _TEXT.listed},
    "SecurityScheme": {
        "apiKeySecurityScheme": _one("APIKeySecurityScheme"),
        "httpAuthSecurityScheme": _one("HTTPAuthSecurityScheme"),
        "oauth2SecurityScheme": _one("OAuth2SecurityScheme"),
        "openIdConnectSecurityScheme": _one("OpenIdConnectSecurityScheme"),
        "mtlsSecurityScheme": _one("MutualTlsSecurityScheme"),
    },
    "APIKeySecurityScheme": {
        "description": _TEXT,
        "location": _TEXT.required,
        "name": _TEXT.required,
    },
    "HTTPAuthSecurityScheme": {
        "description": _TEXT,
        "scheme": _TEXT.required,
        "bearerFormat": _TEXT,
    },
    "OAuth2SecurityScheme": {
        "description": _TEXT,
        "flows": Field("OAuthFlows").required,
        "oauth2MetadataUrl": _TEXT,
    },
    "OpenIdConnectSecurityScheme": {"description": _TEXT, "openIdConnectUrl": _TEXT.required},
    "MutualTlsSecurityScheme": {"description": _TEXT},
    "OAuthFlows": {
        "authorizationCode": _one("AuthorizationCodeOAuthFlow"),
        "clientCredentials": _one("ClientCredentialsOAuthFlow"),
        "implicit": _one("ImplicitOAuthFlow"),
        "password": _one("PasswordOAuthFlow"),
        "deviceCode": _one("DeviceCodeOAuthFlow"),
    },
    "AuthorizationCodeOAuthFlow": {
        "authorizationUrl": _TEXT.required,
        "tokenUrl": _TEXT.required,
        "refreshUrl": _TEXT,
        "scopes": _SCOPES.required,
        "pkceRequired": _FLAG,
    },
    "ClientCredentialsOAuthFlow": {
        "tokenUrl": _TEXT.required,
        "refreshUrl": _TEXT,
        "scopes": _SCOPES.required,
    },
    "ImplicitOAuthFlow": {
        "authorizationUrl": _TEXT,
        "refreshUrl": _TEXT,
        "scopes": _SCOPES,
    },
    "PasswordOAuthFlow": {
        "tokenUrl": _TEXT,
        "refreshUrl": _TEXT,
        "scopes": _SCOPES,
    },
    "DeviceCodeOAuthFlow": {
        "deviceAuthorizationUrl": _TEXT.required,
        "tokenUrl": _TEXT.required,
        "refreshUrl": _TEXT,
        "scopes": _SCOPES.required,
    },
}
"""By the name of the message, then of the member."""

OLD_MEMBERS = frozenset(
    {
        "additionalInterfaces",
        "preferredTransport",
        "protocolVersion",
        "supportsAuthenticatedExtendedCard",
    }
)
"""What a card of A2A v0.3 has and one of v1.0 has not, of more than one word."""

ONE_OF = frozenset({"SecurityScheme", "OAuthFlows"})
"""Messages of which one member at most is there."""


def second_spelling(member: str) -> str:
    """The member's name in the proto: what readers of ProtoJSON take for the same one."""
    return re.sub(r"([A-Z])", lambda match: "_" + match[1].lower(), member)
