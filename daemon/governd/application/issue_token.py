"""Asks an authorization server for a token, in the way that the policy source states.

Follows RFC 8693 (token exchange), the ID-JAG draft (both legs), RFC 7523 (assertions that
governd signs) and RFC 6749, section 4.4 (client credentials). Whether it is permitted, and
what becomes of the token, is for whoever calls this.

Promises:
    * However many requests a grant takes, they have the time of one.
    * What is sent are the tokens that the grant needs, each for the one server that is asked.
    * No token is returned that was not held to what was asked for (``tokens.check``), and an
      ID-JAG goes nowhere but to the server that it was checked for (``tokens.id_jag``).
"""

from collections.abc import Callable

from governd.application.client_proof import ClientProofs
from governd.application.issuer_calls import IssuerCalls
from governd.application.issuer_ports import ClientKeys
from governd.application.own_access import OwnAccess
from governd.application.token_order import Order
from governd.errors import IdentityError
from governd.identity.secret import Secret
from governd.identity.user import User
from governd.policy.authorization_servers import AuthorizationServer
from governd.policy.delegated import EvidenceKind
from governd.tokens import check, form, id_jag, words
from governd.tokens.acting import Acting, known_as
from governd.tokens.assertion import Asked as Vouched
from governd.tokens.assertion import grant_assertion
from governd.tokens.check import AccessToken, Expected
from governd.tokens.clients import Client
from governd.tokens.form import ClientProof, Target
from governd.tokens.id_jag import ExpectedIdJag
from governd.tokens.reply import Reply
from governd.tokens.words import TypedToken

_TYPES = {
    EvidenceKind.ID_TOKEN: words.ID_TOKEN,
    EvidenceKind.ACCESS_TOKEN: words.ACCESS_TOKEN,
}


class TokenIssuance:
    """Asks for tokens, grant by grant."""

    def __init__(
        self,
        calls: IssuerCalls,
        proofs: ClientProofs,
        keys: ClientKeys,
        own: OwnAccess,
        *,
        wall_clock: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        """Takes its parts.

        Args:
            calls: Asks token endpoints.
            proofs: Says who asks.
            keys: Sign assertions of users.
            own: governd's own tokens.
            wall_clock: Seconds since 1970.
            new_id: Makes ids that nobody can guess.
        """
        self._calls = calls
        self._proofs = proofs
        self._keys = keys
        self._own = own
        self._wall_clock = wall_clock
        self._new_id = new_id
        self._grants = {
            "token-exchange": self._exchange,
            "id-jag": self._id_jag,
            "jwt-bearer": self._assertion,
            "client-credentials": self._credentials,
        }

    async def issue(self, order: Order) -> AccessToken:
        """A token that may be handed to who ordered it.

        Raises:
            TokenRefusedError: There is none, or none that may be.
            IssuerUnavailableError: A server cannot be asked now.
            IdentityError: There is nothing to ask with.
        """
        with self._calls.together():
            return await self._grants[order.upstream.grant](order)

    async def _exchange(self, order: Order) -> AccessToken:
        server = order.server
        subject = await self._subject(order)
        actor, acting = await self._actor(order, server)
        proof = await self._proof(order, server)
        asked = form.token_exchange(order.target(order.scopes), subject, actor, proof)
        reply = await self._calls.ask(server, asked)
        return self._accept(order, reply, acting, _sent(proof, subject, actor), exchanged=True)

    async def _id_jag(self, order: Order) -> AccessToken:
        server, provider = order.server, order.asked.definition.provider
        assert provider is not None  # noqa: S101 - INVARIANT: the policy source has it
        subject = await self._subject(order)
        actor, acting = await self._actor(order, provider)
        proof = await self._proof(order, provider)
        target = Target(order.upstream.sent_resource, server.issuer, order.scopes)
        reply = await self._calls.ask(provider, form.id_jag_request(target, subject, actor, proof))
        sent = _sent(proof, subject, actor)
        expected = ExpectedIdJag(
            issuer=provider.issuer,
            audience=server.issuer,
            client_id=server.client_id,
            resource=order.upstream.sent_resource,
            scopes=order.scopes,
            subject=_subject_at(provider, order.user),
            acting=acting,
            sent=sent,
        )
        found = id_jag.accept(reply, expected, self._wall_clock())
        return await self._bearing(order, found.assertion, found.scopes, acting, sent)

    async def _assertion(self, order: Order) -> AccessToken:
        server, user = order.server, order.user
        assert user is not None  # noqa: S101 - INVARIANT: no assertion is of nobody
        asked = Vouched(
            issuer=order.upstream.assertion_issuer or server.client_id or "",
            subject=user.subject,
            audience=server.issuer,
            actor=order.agent,
        )
        if server.client_key is None or not asked.issuer:
            message = f"authorization server {server.name}: no key to vouch for users with"
            raise IdentityError(message)
        key = await self._keys.key(server.client_key)
        signed = grant_assertion(key, asked, now=self._wall_clock(), token_id=self._new_id())
        shown = (order.shown.token,) if order.shown else ()
        return await self._bearing(order, signed, order.scopes, _acting(order), shown)

    async def _bearing(
        self,
        order: Order,
        assertion: Secret,
        scopes: tuple[str, ...],
        acting: Acting,
        sent: tuple[Secret, ...],
    ) -> AccessToken:
        """What comes of an assertion (RFC 7523, section 2.1)."""
        proof = await self._proof(order, order.server)
        asked = form.jwt_bearer(assertion, order.target(scopes), proof)
        reply = await self._calls.ask(order.server, asked)
        sent = (*sent, assertion, proof.assertion)
        return self._accept(order, reply, acting, sent, scopes=scopes)

    async def _credentials(self, order: Order) -> AccessToken:
        proof = await self._proof(order, order.server)
        asked = form.client_credentials(order.target(order.scopes), proof)
        reply = await self._calls.ask(order.server, asked)
        return self._accept(order, reply, _acting(order), _sent(proof))

    async def _proof(self, order: Order, server: AuthorizationServer) -> ClientProof:
        return await self._proofs.of(server, order.upstream, order.call)

    async def _subject(self, order: Order) -> TypedToken:
        shown = order.shown
        if shown is None:
            return await self._proofs.agent_token(order.call, order.server.issuer)
        return TypedToken(shown.token, _TYPES[shown.kind])

    async def _actor(
        self, order: Order, server: AuthorizationServer
    ) -> tuple[TypedToken | None, Acting]:
        """What says who acts, and who has to in what comes of it."""
        if order.upstream.actor == "agent":
            svid = await self._proofs.agent_token(order.call, server.issuer)
            return svid, _acting(order, svid.token)
        if order.upstream.actor == "governd":
            own = await self._own.token(server)
            # As the server itself calls governd; whoever takes its word may say so elsewhere.
            acting = Acting(known_as(own.subject, *_issuers(order)))
            return TypedToken(own.token, words.ACCESS_TOKEN), acting
        return None, _acting(order)

    def _accept(
        self,
        order: Order,
        reply: Reply,
        acting: Acting,
        sent: tuple[Secret, ...],
        *,
        exchanged: bool = False,
        scopes: tuple[str, ...] | None = None,
    ) -> AccessToken:
        upstream, server = order.upstream, order.server
        agent = order.agent if upstream.client == "agent" else None
        expected = Expected(
            issuer=server.issuer,
            audiences=frozenset(upstream.token_audiences_or_default),
            scopes=order.scopes if scopes is None else scopes,
            subject=_subject_of(order),
            acting=acting,
            client=Client(
                server.client_id, agent, upstream.actor == "client", upstream.name_of(order.agent)
            ),
            exchanged=exchanged,
            opaque=upstream.is_opaque,
            min_lifetime=upstream.min_lifetime_seconds,
            max_lifetime=upstream.max_lifetime_seconds,
            sent=sent,
        )
        return check.accept(reply, expected, self._wall_clock())


def _acting(order: Order, svid: Secret | None = None) -> Acting:
    if order.upstream.actor == "agent":
        return Acting(known_as(order.agent, *_issuers(order), shown=svid))
    ours = {order.server.client_id} if order.server.client_id else set()
    return Acting(None, frozenset({order.agent, *ours}))


def _issuers(order: Order) -> tuple[str, ...]:
    """In whose words the token may name who acts."""
    server, provider = order.server, order.asked.definition.provider
    vouching = order.upstream.assertion_issuer or server.client_id
    found = (
        server.issuer,
        provider.issuer if provider else None,
        vouching if order.upstream.grant == "jwt-bearer" else None,
    )
    return tuple(one for one in found if one)


def _subject_of(order: Order) -> str | None:
    """Whose the access token has to be; ``None`` where its server has names of its own."""
    upstream, user = order.upstream, order.user
    if upstream.grant == "jwt-bearer" and user is not None:
        return None if upstream.renames_users else user.subject
    return _subject_at(order.server, user)


def _subject_at(server: AuthorizationServer, user: User | None) -> str | None:
    """What a server calls the user, where the evidence is its own."""
    return user.subject if user is not None and user.issuer == server.issuer else None


def _sent(proof: ClientProof, *tokens: TypedToken | None) -> tuple[Secret, ...]:
    return (proof.assertion, *(one.token for one in tokens if one is not None))
