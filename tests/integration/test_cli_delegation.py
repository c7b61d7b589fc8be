"""``governd delegation`` with a running governd's tokens and its trust domain's real bundle."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from governd.endpoints.tls import pem
from tests.fakes.token_issuer import TokenIssuer
from tests.integration.daemon_process import DaemonProcess, StartGovernd, prepare
from tests.integration.delegating import (
    GIT,
    PLANNER,
    REQUEST,
    ROUTER,
    WORKLOADS,
    Workload,
    bundle_of,
    id_token,
    write_policy,
)
from tests.integration.test_cli import answer, cli

BODY = b"{}"
SCOPE = "tools:call:git/open"


class Receiver:
    """What somebody has who was called: the trust bundle, the request, and a token.

    Attributes:
        daemon: Whose tokens are verified; it is not asked.
    """

    def __init__(self, daemon: DaemonProcess, idp: TokenIssuer, folder: Path) -> None:
        self.daemon, self._folder = daemon, folder
        (folder / "ca.pem").write_bytes(pem(bundle_of(daemon)))
        (folder / "body").write_bytes(BODY)
        (folder / "login").write_text(id_token(idp))

    @property
    def request(self) -> tuple[object, ...]:
        return "--method", "POST", "--uri", REQUEST.uri, "--body", self._folder / "body"

    def minted(self) -> Path:
        """A token for the router, as the command line mints one."""
        login, socket = self._folder / "login", self.daemon.sockets["planner"]
        given = ("--id-token", login, "--scope", SCOPE, *self.request, "--token")
        return self.holding(cli("delegation", "mint", ROUTER, *given, "--socket", socket))

    def holding(self, token: str) -> Path:
        file = self._folder / "token"
        file.write_text(token)
        return file

    def verified(self, token: Path, *given: object, code: int = 0, **more: Any) -> dict[str, Any]:
        sender = {"audience": ROUTER, "peer": PLANNER, "bundle": self._folder / "ca.pem", **more}
        options = [part for name, value in sender.items() for part in (f"--{name}", value)]
        request = given or self.request
        return answer("delegation", "verify", token, *options, *request, code=code)


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    folder, idp = tmp_path_factory.mktemp("verify"), TokenIssuer()
    daemon = prepare(folder / "governd", "", WORKLOADS, write_policy(folder / "policy", idp))
    try:
        daemon.start()
        yield Receiver(daemon, idp, folder)
        assert daemon.stop() == 0
    finally:
        daemon.kill()


@pytest.mark.req("gi-3", part=True)
def test_what_a_governd_minted_is_verified_without_asking_anybody(receiver: Receiver) -> None:
    token = receiver.minted()
    found = receiver.verified(token, "--least-binding", "body", *receiver.request)
    assert (found["verified"], found["binding"], found["user"]) == (True, "body", "alice")
    assert (found["actors"], found["scopes"]) == ([PLANNER], [SCOPE])
    assert found["signer"].startswith("spiffe://example.org/governd/signer/")
    said = cli(
        *("delegation", "verify", token, "--bundle", token.parent / "ca.pem"),
        *("--audience", ROUTER, "--peer", PLANNER, *receiver.request),
    )
    assert said.startswith("verified")
    assert token.read_text().split(".")[2].strip() not in said


@pytest.mark.req("gi-3", part=True)
def test_a_chain_of_two_is_verified_at_its_end(receiver: Receiver) -> None:
    parent = receiver.minted().read_text().strip()
    router = Workload(receiver.daemon, "router")
    assert router.verify(parent, PLANNER).HasField("verified")
    child = receiver.holding(router.extend(parent, GIT, scopes=[SCOPE], request=REQUEST).token)
    router.close()
    found = receiver.verified(child, audience=GIT, peer=ROUTER)
    assert (found["verified"], found["actors"]) == (True, [ROUTER, PLANNER])
    late = receiver.verified(child, audience=GIT, peer=PLANNER, code=1)
    assert (late["verified"], late["reason"]) == (False, "CALLER")


@pytest.mark.req("gi-3", part=True)
@pytest.mark.parametrize(
    ("reason", "more"),
    [
        ("AUDIENCE", {"audience": GIT}),
        ("CALLER", {"peer": GIT}),
        ("ISSUER_NOT_ALLOWED", {"signer": "spiffe://example.org/governd/server"}),
    ],
)
def test_attack_a_token_that_is_not_for_this(
    receiver: Receiver, reason: str, more: dict[str, str]
) -> None:
    found = receiver.verified(receiver.minted(), code=1, **more)
    assert (found["verified"], found["reason"]) == (False, reason)


@pytest.mark.req("gi-3", part=True)
def test_attack_a_token_of_another_authority_of_that_name(
    receiver: Receiver, governd: StartGovernd, tmp_path: Path
) -> None:
    stranger = governd(listeners=WORKLOADS)
    (tmp_path / "ca.pem").write_bytes(pem(bundle_of(stranger)))
    found = receiver.verified(receiver.minted(), code=1, bundle=tmp_path / "ca.pem")
    assert (found["verified"], found["reason"]) == (False, "SIGNER")


@pytest.mark.req("gi-3", part=True)
def test_attack_a_token_with_another_user_written_into_it(receiver: Receiver) -> None:
    token = receiver.minted()
    header, payload, signature = token.read_text().strip().split(".")
    letter = "A" if payload[40] != "A" else "B"
    forged = receiver.holding(f"{header}.{payload[:40]}{letter}{payload[41:]}.{signature}")
    assert receiver.verified(forged, code=1)["reason"] == "SIGNATURE"
