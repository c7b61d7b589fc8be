"""governd's serving identity from the embedded CA, as an X.509-SVID; for development."""

from collections.abc import Callable
from datetime import datetime

from governd.adapters.embedded_ca import EmbeddedIdentity, EmbeddedSigner
from governd.identity.svid import X509Svid


class EmbeddedServing:
    """The SVID to serve with; a new one past half of its lifetime."""

    def __init__(self, identity: EmbeddedIdentity, wall_clock: Callable[[], datetime]) -> None:
        """Takes the identity and the time in UTC."""
        self._identity = identity
        self._wall_clock = wall_clock
        self._made: tuple[EmbeddedSigner, X509Svid] | None = None

    @property
    def trust_bundle(self) -> tuple[bytes, ...]:
        """The root, DER."""
        return self._identity.current(self._wall_clock()).trust_bundle

    def current(self) -> X509Svid:
        """The SVID in force. May be called from any thread."""
        signer = self._identity.current(self._wall_clock())
        made = self._made
        if made is None or made[0] is not signer:
            made = self._made = (signer, signer.svid())
        return made[1]
