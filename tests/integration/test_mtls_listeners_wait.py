"""mTLS listeners close with the identity that they serve with, and say what they wait for."""

import grpc
import grpc.aio
import pytest

from tests.integration.attested_daemon import component, status, until
from tests.integration.daemon_process import DaemonProcess, StartGovernd
from tests.integration.endpoints.doors import Refusal
from tests.integration.test_lifecycle import refused_start
from tests.mtls_parts import (
    NODE,
    Door,
    authorities_of,
    ended,
    open_stream,
    own_entries,
    settings,
    svid_of,
)
from tests.spire_parts import Entry, StartSpire

WEB, SHOP = "spiffe://example.org/web", "k8s:ns:shop"
SERVER = f"/governd/server/{NODE}"
CLOSED = Refusal(grpc.StatusCode.UNAVAILABLE, "IDENTITY_UNAVAILABLE", {}, 1.0)


def told(daemon: DaemonProcess) -> list[tuple[str, str]]:
    """What the log says of the listener that waits."""
    lines = [line for line in daemon.log() if line["event"].startswith("listener waits")]
    return [(line["event"], line["listener"]) for line in lines]


@pytest.mark.req("sa-5", part=True)
async def test_an_entry_that_is_deleted_closes_what_serves_with_it_until_it_is_back(
    governd: StartGovernd, start_spire: StartSpire
) -> None:
    spire = start_spire(entries=[*own_entries(), Entry("/web", (SHOP,))])
    daemon = governd(settings(spire), listeners={})
    mine = await svid_of(spire, SHOP)
    door = Door(daemon, await authorities_of(spire))
    async with door.channel(mine) as channel:
        stream = await open_stream(channel)
        spire.server.delete(*spire.server.ids_of(SERVER))
        assert await ended(stream) == CLOSED
    until(lambda: not (daemon.directory / "mtls.sock").exists())
    part = component(daemon, "listeners")
    assert not part.ready
    assert part.detail.startswith(
        f"listener mtls waits: governd is not spiffe://example.org{SERVER}"
    )
    with pytest.raises(grpc.aio.AioRpcError):
        await door.who(mine)
    until(lambda: told(daemon) == [("listener waits", "mtls")])
    spire.server.create(own_entries()[0])
    until(lambda: status(daemon).ready)
    assert await door.who(mine) == WEB
    both = [("listener waits", "mtls"), ("listener waits no longer", "mtls")]
    assert told(daemon) == both, "once, not at each look"
    assert not [line for line in daemon.log() if "exception" in line or line["level"] == "error"]


def test_a_path_at_which_no_socket_will_ever_be_is_no_reason_to_wait(
    governd: StartGovernd, start_spire: StartSpire
) -> None:
    spire = start_spire(entries=own_entries())
    daemon = governd(settings(spire), listeners={})
    assert daemon.stop() == 0
    spire.agent.kill()
    (daemon.directory / "mtls.sock").write_text("a file")
    assert f"{daemon.directory / 'mtls.sock'}: exists and is not a socket" in refused_start(daemon)
