"""Access tokens of a real Keycloak, through a real governd with identities of a real SPIRE.

Keycloak takes an ``actor_token`` and an assertion's ``act``, and says nothing of them in the
token that it issues. So what is for an agent that has to be named is refused, and an operator
has two ways: to have the agent itself be the client, or to say that nobody is named.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import keycloak_realm as realm
from tests.fakes.authorization_server import AuthorizationServer
from tests.fakes.authorization_server_checks import Client, peek
from tests.fakes.authorization_server_http import TlsAuthority
from tests.fakes.authorization_server_thread import in_background
from tests.integration.attested_daemon import NODE, Attested, identity_section, listener
from tests.integration.daemon_process import DaemonProcess, prepare
from tests.integration.test_cli import answer
from tests.integration.upstream_calls import AgentOf, Refused, client_key
from tests.keycloak_parts import Keycloak, keycloak
from tests.mtls_parts import own_entries
from tests.policies import source_files
from tests.published import Documents, publishing
from tests.spire_parts import Entry, Spire, spires

AGENT, STRANGER = "spiffe://example.org/agent/planner", "spiffe://example.org/agent/stranger"
GOVERND = f"spiffe://example.org/governd/server/{NODE}"
SELECTORS = {"planner": "k8s:sa:planner", "stranger": "k8s:sa:stranger"}
USER_AT_IDP = "U019488227"
POLICY = """
@id("tokens") permit (principal, action == Action::"token/exchange", resource)
  when { resource == ExternalService::"crm" };
"""
MANIFEST = """
[[authorization_server]]
name = "corp"
issuer = "{corp}"
client_authentication = "private_key_jwt"
client_id = "governd"
client_key = "governd"
[[authorization_server]]
name = "corp-spiffe"
issuer = "{corp}"
client_authentication = "jwt-spiffe"
[[authorization_server]]
name = "idp"
issuer = "{idp}"
client_authentication = "private_key_jwt"
client_id = "governd"
client_key = "governd"
[[issuer]]
name = "corp"
issuer = "{corp}"
jwks_uri = "{corp}/protocol/openid-connect/certs"
audiences = ["chat", "governd"]
kinds = ["id_token", "access_token"]
[[issuer]]
name = "idp"
issuer = "{idp}"
jwks_uri = "{idp}/keys"
audiences = ["governd"]
kinds = ["id_token"]
"""
UPSTREAMS = {
    "strict": 'grant = "token-exchange"',
    "plain": 'grant = "token-exchange"\nactor = "unsafe_none"',
    "spiffe": (
        'grant = "token-exchange"\nactor = "unsafe_none"\nauthorization_server = "corp-spiffe"'
    ),
    "agents": (
        'grant = "token-exchange"\nclient = "agent"\nactor = "client"\n'
        'authorization_server = "corp-spiffe"'
    ),
    "signed": (
        'grant = "jwt-bearer"\nactor = "unsafe_none"\nassertion_issuer = "{signed_by}"\n'
        'users_from = ["{corp}"]'
    ),
    "signed-strict": (
        'grant = "jwt-bearer"\nassertion_issuer = "{signed_by}"\nusers_from = ["{corp}"]'
    ),
    "jag": 'grant = "id-jag"\nactor = "unsafe_none"\nidentity_provider = "idp"',
    "jag-strict": 'grant = "id-jag"\nidentity_provider = "idp"',
    "own": 'grant = "client-credentials"',
    "agents-own": (
        'grant = "client-credentials"\nclient = "agent"\nauthorization_server = "corp-spiffe"'
    ),
    "elsewhere": (
        'grant = "token-exchange"\nactor = "unsafe_none"\ntoken_audiences = ["elsewhere"]'
    ),
    "more": 'grant = "token-exchange"\nactor = "unsafe_none"\nscopes = ["read", "admin"]',
}


class World(NamedTuple):
    """What the tests of this module share.

    Attributes:
        server: Issues access tokens.
        idp: Another company's identity provider, which issues ID-JAGs.
        planner: An agent that Keycloak knows as a client.
        stranger: One that it does not know.
        daemon: Before which they stand.
    """

    server: Keycloak
    idp: AuthorizationServer
    planner: AgentOf
    stranger: AgentOf
    daemon: DaemonProcess


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with contextlib.ExitStack() as stack:
        folder = tmp_path_factory.mktemp("tokens")
        authority = TlsAuthority(folder)
        server = stack.enter_context(keycloak(tmp_path_factory.mktemp("keycloak")))
        entries = [Entry(f"/agent/{name}", (one,)) for name, one in SELECTORS.items()]
        spire = stack.enter_context(spires(log_level="WARN"))(entries=[*own_entries(), *entries])
        documents = stack.enter_context(publishing())
        idp = stack.enter_context(in_background(authority, "/realms/idp"))
        jwks = client_key(folder / "governd.pem")
        publish(documents, spire, idp, jwks)
        prepare_realm(server, documents, jwks, idp)
        settings = (
            f'[issuers]\nnetworks = ["127.0.0.0/8", "::1/128"]\nunsafe_http = true\n'
            f'ca_file = "{authority.ca_file}"\n'
            f'[[tokens.client_key]]\nname = "governd"\nfile = "{folder / "governd.pem"}"\n'
            f"{identity_section(spire)}"
            + "".join(listener(name, [one]) for name, one in SELECTORS.items())
        )
        policy = policy_of(folder / "policy", server, idp)
        daemon = prepare(folder / "governd", settings, {}, policy)
        stack.callback(daemon.kill)
        daemon.start()
        for name in SELECTORS:
            Attested(daemon, name).until_it_is(f"spiffe://example.org/agent/{name}")
        planner, stranger = (AgentOf(daemon.directory / f"{name}.sock") for name in SELECTORS)
        yield World(server, idp, planner, stranger, daemon)
        assert daemon.stop() == 0


def publish(documents: Documents, spire: Spire, idp: AuthorizationServer, jwks: bytes) -> None:
    """Has the keys of everybody be where Keycloak and the identity provider look for them."""
    documents["/spiffe"] = spire.server.bundle().encode()
    documents["/governd"], documents["/idp"] = jwks, idp.signer.key_set()
    idp.trust.bundles["example.org"] = documents["/spiffe"]
    idp.trust.clients["governd"] = Client("governd", jwks)


def prepare_realm(
    server: Keycloak, documents: Documents, jwks: bytes, idp: AuthorizationServer
) -> None:
    """Creates it, with alice known to governd and to the identity provider."""
    ids = {realm.GOVERND_SPIFFE: GOVERND, AGENT: AGENT}
    realm.create(server, jwks=jwks, bundle_uri=documents.uri("/spiffe"), ids=ids)
    here = realm.user_id(server)
    realm.trust(server, "governd", realm.SIGNED_BY, documents.uri("/governd"), here)
    realm.trust(server, "idp", idp.issuer, documents.uri("/idp"), USER_AT_IDP)


def policy_of(folder: Path, server: Keycloak, idp: AuthorizationServer) -> Path:
    """A policy that permits everybody every upstream."""
    corp = server.issuer(realm.REALM)
    manifest = MANIFEST.format(corp=corp, idp=idp.issuer)
    for name, how in UPSTREAMS.items():
        manifest += f'[[upstream]]\nname = "{name}"\naudience = "crm"\n'
        manifest += how.format(signed_by=realm.SIGNED_BY, corp=corp) + "\n"
        manifest += "" if "authorization_server" in how else 'authorization_server = "corp"\n'
        manifest += "" if "scopes" in how else 'scopes = ["read", "write"]\n'
    for name, content in source_files(POLICY, manifest=manifest).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture
def access_token(world: World) -> str:
    return str(realm.log_in(world.server)["access_token"])


@pytest.fixture
def id_token(world: World) -> str:
    return str(realm.log_in(world.server)["id_token"])


def test_a_users_token_is_exchanged_for_one_that_is_good_at_the_upstream_alone(
    world: World, access_token: str
) -> None:
    answer = world.planner.token("plain", ["read"], access_token=access_token)
    claims = peek(answer.access_token)[1]
    assert (claims["sub"], claims["aud"]) == (realm.user_id(world.server), "crm")
    assert (claims["azp"], claims["scope"]) == ("governd", "read")
    assert "act" not in claims
    assert (answer.token_type, list(answer.scopes)) == ("Bearer", ["read"])
    assert answer.headers == {"Authorization": f"Bearer {answer.access_token}"}
    assert answer.access_token != access_token


@pytest.mark.req("r-3", part=True)
def test_attack_an_actor_that_keycloak_ignores_without_a_word(
    world: World, access_token: str
) -> None:
    refused = Refused("TOKEN_REFUSED", "act_missing")
    assert world.planner.refused("strict", access_token=access_token) == refused
    assert world.planner.refused("signed-strict", access_token=access_token) == refused


def test_governd_is_the_client_by_its_svid(world: World, access_token: str) -> None:
    claims = world.planner.claims("spiffe", access_token=access_token)
    assert (claims["azp"], claims["aud"]) == (realm.GOVERND_SPIFFE, "crm")
    assert claims["sub"] == realm.user_id(world.server)


def test_an_agent_is_the_client_by_its_own_svid_and_so_it_is_named(
    world: World, access_token: str
) -> None:
    claims = world.planner.claims("agents", access_token=access_token)
    assert (claims["azp"], claims["sub"]) == (AGENT, realm.user_id(world.server))
    refused = world.stranger.refused("agents", access_token=access_token)
    assert refused == Refused("TOKEN_REFUSED", "refused", "invalid_client")


def test_governd_vouches_for_the_user_itself(
    world: World, id_token: str, access_token: str
) -> None:
    for evidence in ({"id_token": id_token}, {"access_token": access_token}):
        claims = world.planner.claims("signed", **evidence)
        assert (claims["sub"], claims["azp"]) == (realm.user_id(world.server), "governd")


def test_a_user_of_another_company_comes_with_an_id_jag(world: World) -> None:
    corp, idp = world.server.issuer(realm.REALM), world.idp
    shown = idp.id_token(USER_AT_IDP, "governd")
    claims = world.planner.claims("jag", ["read"], id_token=shown)
    assert (claims["iss"], claims["sub"]) == (corp, realm.user_id(world.server))
    assert (claims["azp"], claims["scope"]) == ("governd", "read")
    header, jag = peek(idp.issued[-1])
    assert (header["typ"], jag["sub"]) == ("oauth-id-jag+jwt", USER_AT_IDP)
    assert (jag["aud"], jag["client_id"], jag["scope"]) == (corp, "governd", "read")
    refused = world.planner.refused("jag-strict", id_token=shown)
    assert refused == Refused("TOKEN_REFUSED", "act_missing")
    assert peek(idp.issued[-1])[1]["act"] == {"sub": AGENT}, "the identity provider named it"


def test_a_workload_without_a_user_has_a_token_of_governds_or_of_its_own(world: World) -> None:
    ours, theirs = world.planner.claims("own"), world.planner.claims("agents-own")
    assert (ours["azp"], theirs["azp"]) == ("governd", AGENT)
    assert ours["aud"] == theirs["aud"] == "crm"
    assert ours["sub"] != theirs["sub"]


def test_what_keycloak_refuses_is_told_by_its_code(world: World, access_token: str) -> None:
    refused = world.planner.refused("more", access_token=access_token)
    assert refused == Refused("TOKEN_REFUSED", "refused", "invalid_scope")
    refused = world.planner.refused("elsewhere", access_token=access_token)
    assert refused == Refused("TOKEN_REFUSED", "audience")


def test_keycloak_vouches_for_users_by_id_tokens_and_exchanges_access_tokens_alone(
    world: World, id_token: str
) -> None:
    """The ID token proves who the user is: Keycloak is asked, and exchanges none."""
    refused = world.planner.refused("plain", id_token=id_token)
    assert refused == Refused("TOKEN_REFUSED", "refused", "invalid_request")


def test_keycloaks_access_tokens_count_only_once_they_say_what_they_are(world: World) -> None:
    """As Keycloak has them by default, nothing tells them from ID tokens (RFC 9068)."""
    plain = str(realm.log_in(world.server, realm.OLD_FRONT_END)["access_token"])
    assert peek(plain)[0]["typ"] == "JWT"
    assert world.planner.refused("plain", access_token=plain) == Refused("EVIDENCE_INVALID", "type")


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_a_check_finds_that_keycloak_knows_governd_and_takes_the_grant(
    world: World, upstream: str
) -> None:
    operator = ("--admin-socket", world.daemon.admin_socket)
    found = answer("upstream", "check", upstream, *operator)
    assert found["ok"], found
