"""What stock SPIFFE libraries get from whoever serves the Workload API.

A test module subclasses ``WorkloadApiContract`` and gives it a fixture ``workload``. Each test
runs with py-spiffe and with go-spiffe.
"""

import functools
import itertools
from collections.abc import Callable
from typing import Protocol

import grpc
import pytest

from tests.stock_clients import GoSpiffe, PySpiffe, RefusedError, StockClient

WEB, API = "spiffe://example.org/web", "spiffe://example.org/api"
PARTNER = "partner.example"
PERMITTED, OTHER_PERMITTED = "bank", "https://shop.example/api"
DENIED = "vault"


class ServedWorkload(Protocol):
    """A workload that is ``WEB``, and whoever issues its identities.

    Policy permits it, and nobody else, tokens for ``PERMITTED`` and ``OTHER_PERMITTED``.
    """

    @property
    def address(self) -> str:
        """Of its Workload API, as SPIFFE_ENDPOINT_SOCKET has it."""

    def rotate(self) -> None:
        """Gives it a new X.509-SVID."""

    def register(self, spiffe_id: str) -> None:
        """Gives it one more identity, or one again."""

    def revoke(self, spiffe_id: str) -> None:
        """Takes an identity from it."""

    def federate(self, *, trusted: bool) -> None:
        """Has ``WEB`` federate with ``PARTNER``, and the partner's trust bundle; or no more."""


def refused(call: Callable[[], object]) -> grpc.StatusCode:
    """How a call is refused."""
    with pytest.raises(RefusedError) as raised:
        call()
    return raised.value.code


class WorkloadApiContract:
    """The tests."""

    @pytest.fixture(params=[PySpiffe, GoSpiffe], ids=["py-spiffe", "go-spiffe"])
    def client(self, request: pytest.FixtureRequest, workload: ServedWorkload) -> StockClient:
        client: StockClient = request.param(workload.address)
        return client

    @pytest.mark.req("sa-3")
    def test_a_stock_library_gets_identities(self, client: StockClient) -> None:
        found = client.identities()
        assert (found.ids, found.domains) == ([WEB], ["example.org"])
        (token,) = client.tokens(PERMITTED)
        assert token.spiffe_id == client.validate(token.text, PERMITTED) == WEB

    @pytest.mark.req("sa-5", part=True)
    def test_a_stock_library_sees_rotation(
        self, client: StockClient, workload: ServedWorkload
    ) -> None:
        with client.watch() as watching:
            before = watching.until(lambda found: found.ids == [WEB])
            workload.rotate()
            after = watching.until(lambda found: found.serial != before.serial)
            assert (after.ids, after.domains) == (before.ids, before.domains)

    def test_a_stock_library_sees_one_more_identity_and_one_less(
        self, client: StockClient, workload: ServedWorkload
    ) -> None:
        with client.watch() as watching:
            watching.until(lambda found: found.ids == [WEB])
            workload.register(API)
            if isinstance(client, GoSpiffe):  # py-spiffe's source shows the default one alone
                watching.until(lambda found: set(found.ids) == {WEB, API})
            assert set(client.identities().ids) == {WEB, API}
            workload.revoke(API)
            watching.until(lambda found: found.ids == [WEB])
            assert client.identities().ids == [WEB]

    @pytest.mark.req("sa-2", part=True)
    def test_a_stock_library_sees_a_federated_domain_come_and_go(
        self, client: StockClient, workload: ServedWorkload
    ) -> None:
        with client.watch() as watching:
            watching.until(lambda found: found.domains == ["example.org"])
            workload.federate(trusted=True)
            watching.until(lambda found: found.domains == ["example.org", PARTNER])
            workload.federate(trusted=False)
            watching.until(lambda found: found.domains == ["example.org"])

    @pytest.mark.req("sa-3", part=True)
    def test_who_has_no_identity_is_denied_until_it_has_one(
        self, client: StockClient, workload: ServedWorkload
    ) -> None:
        workload.revoke(WEB)
        denied = grpc.StatusCode.PERMISSION_DENIED
        assert refused(client.identities) is denied
        assert refused(lambda: client.tokens(PERMITTED)) is denied
        workload.register(WEB)
        assert client.identities().ids == [WEB]

    @pytest.mark.req("sa-3", part=True)
    def test_a_token_is_policys_word(self, client: StockClient) -> None:
        assert client.tokens(PERMITTED, OTHER_PERMITTED)
        for audiences in [(DENIED,), (PERMITTED, DENIED)]:
            code = refused(functools.partial(client.tokens, *audiences))
            assert code is grpc.StatusCode.PERMISSION_DENIED

    def test_attack_a_token_for_governd(self, client: StockClient) -> None:
        code = refused(lambda: client.tokens("spiffe://example.org/governd/server/node"))
        assert code is grpc.StatusCode.PERMISSION_DENIED

    def test_a_token_is_for_every_identity_or_for_the_one_that_is_named(
        self, client: StockClient, workload: ServedWorkload
    ) -> None:
        workload.register(API)
        assert refused(lambda: client.tokens(PERMITTED)) is grpc.StatusCode.PERMISSION_DENIED
        (token,) = client.tokens(PERMITTED, spiffe_id=WEB)
        assert token.spiffe_id == WEB

    def test_attack_a_token_of_another_identity(self, client: StockClient) -> None:
        code = refused(lambda: client.tokens(PERMITTED, spiffe_id="spiffe://example.org/admin"))
        assert code is grpc.StatusCode.PERMISSION_DENIED

    def test_attack_a_token_for_another_audience_or_of_nobody(self, client: StockClient) -> None:
        (token,) = client.tokens(PERMITTED)
        changed = token.text[:-8] + ("A" * 8 if not token.text.endswith("A" * 8) else "B" * 8)
        for text, audience in [(token.text, "shop"), (changed, PERMITTED), ("x", PERMITTED)]:
            code = refused(functools.partial(client.validate, text, audience))
            assert code is grpc.StatusCode.INVALID_ARGUMENT

    def test_one_librarys_token_is_valid_in_the_other(self, workload: ServedWorkload) -> None:
        clients: list[StockClient] = [PySpiffe(workload.address), GoSpiffe(workload.address)]
        for issuer, validator in itertools.permutations(clients):
            (token,) = issuer.tokens(PERMITTED)
            assert validator.validate(token.text, PERMITTED) == WEB
