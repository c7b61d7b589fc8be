"""What is shown to a server is for that server alone, and of nobody but who calls."""

import itertools
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from joserfc import jws
from joserfc.jwk import KeySet

from governd.adapters.embedded_jwt import JwtAuthority
from governd.application.call import Call
from governd.application.client_proof import ClientProofs
from governd.errors import IdentityError, NoIdentityError, SourceAwayError
from governd.identity import SpiffeId, jose
from governd.identity.secret import Secret
from governd.identity.svid import JwtSvid
from governd.policy.authorization_servers import AuthorizationServer
from governd.policy.upstreams import Upstream
from governd.tokens import words
from governd.tokens.client_key import ClientKey, read_client_key
from tests.fakes.identity_source import FakeIdentitySource
from tests.fakes.time import FakeTime
from tests.fakes.token_issuer import TokenIssuer
from tests.fakes.workloads import SHOP, WEB, FakeWorkload

pytestmark = pytest.mark.req("r-2", part=True)

ISSUER = "https://login.example"
OWN = SpiffeId.parse("spiffe://example.org/governd/server/node-1")
KEY = read_client_key(Secret(TokenIssuer().key.as_pem(private=True)))


class Own:
    """governd's own tokens and keys."""

    def __init__(self, time: FakeTime) -> None:
        self._time = time
        self._authority = JwtAuthority()

    async def jwt_svid(self, audience: str) -> JwtSvid:
        now = datetime.fromtimestamp(self._time.wall, UTC)
        return self._authority.issue(OWN, [audience], now)

    async def key(self, name: str) -> ClientKey:
        if name != "corp-key":
            message = "no key of that name"
            raise IdentityError(message)
        return KEY


class Shown(FakeWorkload):
    """A workload, and a governd that shows who asks for it."""

    def __init__(self) -> None:
        def before(source: FakeIdentitySource) -> None:
            source.register("/web", SHOP)
            source.register("/api", SHOP)

        super().__init__(before=before)
        own = Own(self.time)
        ids = (f"id-{number}" for number in itertools.count())
        self.proofs = ClientProofs(
            own, own, wall_clock=self.time.wall_clock, new_id=lambda: next(ids)
        )


@pytest.fixture
async def shown() -> AsyncIterator[Shown]:
    made = Shown()
    await made.open()
    yield made
    await made.close()


def server(**changes: object) -> AuthorizationServer:
    whole = {"name": "corp", "issuer": ISSUER, "client_authentication": "jwt-spiffe"}
    return AuthorizationServer.model_validate({**whole, **changes})


def upstream(client: str = "governd") -> Upstream:
    return Upstream.model_validate(
        {
            "name": "crm",
            "resource": "https://crm.example",
            "authorization_server": "corp",
            "grant": "client-credentials",
            "client": client,
        }
    )


def claims(token: Secret) -> dict[str, object]:
    return dict(jose.read_token(token.reveal().decode())[1])


WITH_KEY = server(
    client_authentication="private_key_jwt", client_id="governd", client_key="corp-key"
)


async def test_governd_shows_its_own_jwt_svid_for_just_that_server(shown: Shown) -> None:
    proof = await shown.proofs.of(server(), upstream(), shown.call())
    assert (proof.client_id, proof.assertion_type) == (None, words.ASSERTED_BY_SPIFFE)
    said = claims(proof.assertion)
    assert (said["sub"], said["aud"]) == (str(OWN), [ISSUER])
    named = await shown.proofs.of(server(client_id="governd"), upstream(), shown.call())
    assert named.client_id == "governd"


async def test_governd_signs_an_assertion_for_just_that_server_and_just_once(
    shown: Shown,
) -> None:
    proof = await shown.proofs.of(WITH_KEY, upstream(), shown.call())
    assert (proof.client_id, proof.assertion_type) == ("governd", words.ASSERTED_BY_JWT)
    keys = KeySet.import_key_set(json.loads(json.dumps(KEY.public_jwks())))
    jws.deserialize_compact(proof.assertion.reveal(), keys)
    said = claims(proof.assertion)
    assert (said["iss"], said["sub"], said["aud"]) == ("governd", "governd", ISSUER)
    again = await shown.proofs.own(WITH_KEY)
    assert claims(again.assertion)["jti"] != said["jti"]


async def test_the_agent_as_the_client_shows_its_own_jwt_svid_and_not_governds_name(
    shown: Shown,
) -> None:
    proof = await shown.proofs.of(WITH_KEY, upstream("agent"), shown.call())
    assert (proof.client_id, proof.assertion_type) == (None, words.ASSERTED_BY_SPIFFE)
    said = claims(proof.assertion)
    assert (said["sub"], said["aud"]) == (str(WEB), [ISSUER])
    assert shown.source.minted == [[ISSUER]]


async def test_of_several_identities_the_callers_is_shown(shown: Shown) -> None:
    token = await shown.proofs.agent_token(shown.call(), ISSUER)
    assert token.type == words.JWT
    assert claims(token.token)["sub"] == str(WEB)


async def test_who_proves_itself_by_its_channel_alone_has_nothing_to_show(shown: Shown) -> None:
    bare = Call(shown.call().caller, None, shown.rate, shown.time.clock)
    with pytest.raises(NoIdentityError, match="holds no identity of the caller"):
        await shown.proofs.agent_token(bare, ISSUER)
    with pytest.raises(NoIdentityError, match="holds no identity of the caller"):
        await shown.proofs.of(server(), upstream("agent"), bare)


async def test_an_identity_that_is_revoked_is_shown_no_more(shown: Shown) -> None:
    shown.source.unregister("/web")
    await shown.time.advance(0)
    with pytest.raises(NoIdentityError):
        await shown.proofs.agent_token(shown.call(), ISSUER)


async def test_a_source_that_is_away_is_told(shown: Shown) -> None:
    await shown.breaks(SourceAwayError("away"))
    with pytest.raises(SourceAwayError):
        await shown.proofs.agent_token(shown.call(), ISSUER)


async def test_a_key_that_is_not_there_is_told(shown: Shown) -> None:
    other = WITH_KEY.model_copy(update={"client_key": "other"})
    with pytest.raises(IdentityError, match="no key of that name"):
        await shown.proofs.own(other)


async def test_nothing_that_is_shown_can_be_seen(shown: Shown) -> None:
    for proof in (
        await shown.proofs.own(WITH_KEY),
        await shown.proofs.own(server()),
        await shown.proofs.agent_token(shown.call(), ISSUER),
    ):
        assert "eyJ" not in repr(proof)
