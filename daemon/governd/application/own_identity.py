"""governd's own two identities: one to serve with, one to sign with.

To what issues identities each is a workload of its own, with selectors from the
configuration and one SPIFFE ID that it may have. So they renew themselves as all others do,
ahead of their end, and neither can ever be the other.

Promises:
    * Nobody is given an identity that has ended, was revoked, or whose trust bundle is not
      there: that is an ``IdentityError`` which says why.
    * Nothing waits: any thread may ask for what is in force.
"""

import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self, TypeVar

from governd.application.keep_identities import HeldIdentity, IdentityKeeper, Phase
from governd.errors import IdentityError
from governd.identity import SpiffeId
from governd.identity.svid import JwtSvid, Selector, Workload, X509Svid
from governd.identity.svid_signer import SvidSigner, signer_of

SERVER, SIGNER = "/governd/server", "/governd/signer"
"""Paths above the node's name."""

Value = TypeVar("Value")


class OwnIdentity:
    """One of the two; implements ``governd.application.operate.RotatingIdentity``.

    Its key signs. It cannot be had from here.

    Attributes:
        spiffe_id: The only one that it ever has.
    """

    def __init__(
        self, keeper: IdentityKeeper, spiffe_id: SpiffeId, selectors: Sequence[Selector]
    ) -> None:
        """Asks for nothing yet.

        Args:
            keeper: Holds identities and trust bundles.
            spiffe_id: Whose it is.
            selectors: By which a registration entry finds it.
        """
        self.spiffe_id = spiffe_id
        self._keeper = keeper
        name = spiffe_id.path.removeprefix("/")
        self._workload = Workload(name, tuple(selectors), spiffe_id, own=True)
        self._held: HeldIdentity | None = None
        self._made: tuple[X509Svid, tuple[bytes, ...], SvidSigner] | None = None

    def start(self) -> None:
        """Begins to hold it, for as long as the keeper is open."""
        self._held = self._keeper.open(self._workload)

    def current(self, now: datetime) -> SvidSigner:
        """The signer to use at ``now``; the same one as long as nothing of it changes.

        Raises:
            IdentityError: There is none.
        """
        svid, bundle = self._svid(now), self._bundle()
        made = self._made
        if made is None or made[0] is not svid or made[1] != bundle:
            made = self._made = (svid, bundle, signer_of(svid, bundle))
        return made[2]

    async def ready(self) -> None:
        """Returns when it is there for the first time, with its trust bundle.

        Raises:
            IdentityError: It is not started, or the keeper was closed.
        """
        domain = self.spiffe_id.trust_domain
        await _until(self._started().changes(), lambda state: state.phase is Phase.READY)
        await _until(self._keeper.bundle_changes(), lambda bundles: domain in bundles.x509)

    def on_change(self, heed: Callable[[], object]) -> None:
        """Has ``heed`` called, at once, whenever it may be another one. It must not raise.

        Raises:
            IdentityError: It is not started.
        """
        self._started().on_change(heed)

    def _svid(self, now: datetime) -> X509Svid:
        state = self._started().at(now.timestamp())
        if state.phase is Phase.WAITING:
            self._made = None
            message = f"governd is not {self.spiffe_id}: {state.reason}"
            raise IdentityError(message)
        return state.svids[0]

    def _started(self) -> HeldIdentity:
        if self._held is None:
            message = f"governd is not {self.spiffe_id}: it has not asked yet"
            raise IdentityError(message)
        return self._held

    def _bundle(self) -> tuple[bytes, ...]:
        bundle = self._keeper.bundles.x509.get(self.spiffe_id.trust_domain)
        if not bundle:
            message = f"the trust bundle of {self.spiffe_id.trust_domain} has not come yet"
            raise IdentityError(message)
        return bundle


class OwnServingIdentity(OwnIdentity):
    """The one to serve with."""

    def svid(self, now: datetime) -> X509Svid:
        """The X.509-SVID in force at ``now``, with its key: for the TLS library.

        Raises:
            IdentityError: There is none.
        """
        return self._svid(now)

    async def jwt_svid(self, audience: str) -> JwtSvid:
        """A JWT-SVID for one audience: by it governd proves at an authorization server who asks.

        Raises:
            IdentityError: There is none to be had.
        """
        # Several entries may issue the ID; whichever it is, it is this one.
        return (await self._started().jwt_svids([audience], self.spiffe_id))[0]


@dataclass(frozen=True, slots=True)
class OwnIdentities:
    """Both.

    Attributes:
        serving: ``/governd/server/<node>``.
        signing: ``/governd/signer/<node>``.
    """

    serving: OwnServingIdentity
    signing: OwnIdentity

    @classmethod
    def of(
        cls,
        keeper: IdentityKeeper,
        *,
        trust_domain: str,
        node: str,
        serving_selectors: Sequence[Selector],
        signing_selectors: Sequence[Selector],
    ) -> Self:
        """Asks for nothing yet.

        Args:
            keeper: Holds identities and trust bundles.
            trust_domain: governd's.
            node: The node's name, a segment of a SPIFFE ID's path.
            serving_selectors: By which the entry of the one finds it.
            signing_selectors: Likewise, of the other.

        Raises:
            RequestError: ``node`` is no such segment.
        """
        serving, signing = (
            SpiffeId.parse(f"spiffe://{trust_domain}{path}/{node}", field="node")
            for path in (SERVER, SIGNER)
        )
        return cls(
            OwnServingIdentity(keeper, serving, serving_selectors),
            OwnIdentity(keeper, signing, signing_selectors),
        )

    def start(self) -> None:
        """Begins to hold them, for as long as the keeper is open."""
        self.serving.start()
        self.signing.start()

    async def ready(self) -> None:
        """Returns when both are there for the first time.

        Raises:
            IdentityError: They are not started, or the keeper was closed.
        """
        await self.serving.ready()
        await self.signing.ready()


async def _until(changes: AsyncGenerator[Value, None], fits: Callable[[Value], bool]) -> None:
    async with contextlib.aclosing(changes):
        async for value in changes:
            if fits(value):
                return
    message = "identities are not held any more"
    raise IdentityError(message)
