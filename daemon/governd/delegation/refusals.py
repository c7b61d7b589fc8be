"""Why nothing is minted: an error for each rule of attenuation.

Each goes onto the wire as MINT_REFUSED, with its ``rule`` in the metadata.
"""

from typing import ClassVar

from governd.errors import MintError


class AttenuationError(MintError):
    """A rule is broken. Subclasses say which.

    Attributes:
        rule: Its name on the wire.
    """

    rule: ClassVar[str]

    def __init__(self, message: str, *, field: str = "") -> None:
        """Adds the rule to what is told."""
        super().__init__(message, field=field, metadata={"rule": self.rule})


class OtherActionError(AttenuationError):
    """The permit is for another action."""

    rule = "OTHER_ACTION"


class NoUserError(AttenuationError):
    """There is no user in whose name to act."""

    rule = "NO_USER"


class UserChangedError(AttenuationError):
    """It would be in another user's name than the parent."""

    rule = "USER_CHANGED"


class TransactionChangedError(AttenuationError):
    """It would belong to another transaction than the parent."""

    rule = "TRANSACTION_CHANGED"


class NotAudienceError(AttenuationError):
    """Who extends the parent is not its audience."""

    rule = "NOT_AUDIENCE"


class OwnAudienceError(AttenuationError):
    """Who asks is its audience: nobody acts towards itself."""

    rule = "OWN_AUDIENCE"


class LoopError(AttenuationError):
    """Who extends the parent is in its chain already."""

    rule = "LOOP"


class DepthRaisedError(AttenuationError):
    """It would permit more actors than the parent."""

    rule = "DEPTH_RAISED"


class DepthExceededError(AttenuationError):
    """It would have more actors than the parent permits."""

    rule = "DEPTH_EXCEEDED"


class ScopeWidenedError(AttenuationError):
    """It would have a scope that the parent does not have."""

    rule = "SCOPE_WIDENED"


class DetailsWidenedError(AttenuationError):
    """It would have authorization details that the parent's do not cover."""

    rule = "DETAILS_WIDENED"


class ParentExpiredError(AttenuationError):
    """The parent has ended. It is not extended for a while longer."""

    rule = "PARENT_EXPIRED"


class SignerEndingError(AttenuationError):
    """The signing identity ends now; its successor will sign."""

    rule = "SIGNER_ENDING"


class OtherSignerError(AttenuationError):
    """It says that somebody else signs it, or lasts longer than who does."""

    rule = "OTHER_SIGNER"


class TooLargeError(AttenuationError):
    """The token has more bytes than one header may have."""

    rule = "TOO_LARGE"
