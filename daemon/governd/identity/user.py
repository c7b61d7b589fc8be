"""The human in whose name an agent acts.

A subject is unique within its issuer only (OpenID Connect Core 1.0, section 2; RFC 7519,
section 4.1.2), so neither counts without the other. Texts are compared as they are.
"""

from dataclasses import dataclass

MAX_BYTES = 1024
"""Of the issuer and of the subject, in UTF-8."""


@dataclass(frozen=True, slots=True, order=True)
class User:
    """A user.

    Attributes:
        issuer: Who knows the user, the ``iss`` of the evidence, e.g. ``https://idp.example``.
        subject: Whom the issuer means, the ``sub`` of the evidence.
    """

    issuer: str
    subject: str
