"""What workloads hold, and what is held for them, while SPIRE's agent is away."""

import time
from pathlib import Path

import grpc
import pytest
from spiffe import JwtSvid

from tests.contracts.workload_api import PERMITTED, WEB, refused
from tests.integration.attested_daemon import (
    ACCOUNT,
    SHOP,
    Attested,
    identity_section,
    listener,
    policy_of,
    until,
)
from tests.integration.daemon_process import StartGovernd
from tests.integration.spire_workload import POLICY
from tests.mtls_parts import own_entries
from tests.spire_parts import Entry, StartSpire
from tests.stock_clients import PySpiffe

TTL_SECONDS = 14
OTHER = "k8s:sa:other"


@pytest.mark.req("sa-6")
def test_identities_and_tokens_that_are_held_go_on_to_their_end_and_not_beyond(
    start_spire: StartSpire, governd: StartGovernd, tmp_path: Path
) -> None:
    short = Entry("/web", (SHOP, ACCOUNT), ttl=TTL_SECONDS, jwt_ttl=TTL_SECONDS)
    spire = start_spire(entries=[*own_entries(), short, Entry("/other", (OTHER,))])
    settings = identity_section(spire) + listener() + listener("other", [OTHER])
    daemon = governd(settings, listeners={}, policy=policy_of(tmp_path / "policy", POLICY))
    web, other = Attested(daemon), Attested(daemon, "other")
    web.until_it_is(WEB)
    until(lambda: bool(other.ids))
    client, receiver = PySpiffe(web.address), PySpiffe(other.address)
    (token,) = client.tokens(PERMITTED)
    token_ends = JwtSvid.parse_insecure(token.text, {PERMITTED}).expiry
    spire.agent.kill()
    until(lambda: "SPIRE agent is away" in web.who_am_i().reason)
    assert client.identities().ids == [WEB], "one that starts now has what is held"
    assert receiver.validate(token.text, PERMITTED) == WEB
    assert refused(lambda: client.tokens(PERMITTED)) is grpc.StatusCode.UNAVAILABLE
    end = web.status().svids[0].not_after.ToSeconds()
    web.until_it_is("")
    assert time.time() >= end
    assert refused(client.identities) is grpc.StatusCode.UNAVAILABLE
    until(lambda: time.time() > token_ends)
    invalid = refused(lambda: receiver.validate(token.text, PERMITTED))
    assert invalid is grpc.StatusCode.INVALID_ARGUMENT
    assert receiver.identities().ids == ["spiffe://example.org/other"]
