"""Identities and authorities that rotate while they are in use: nobody who calls notices.

Longer, and with more callers: ``make soak``.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.integration.daemon_process import StartGovernd
from tests.mtls_parts import Door, authorities_of, own_entries, settings, svid_of
from tests.soak.rotation import RotatingCallers, entries, listeners
from tests.spire_parts import StartSpire

CALLERS = 20
# SPIRE dates back by 10 s and renews at half: 5 s after it was issued, with 15 s left.
TTL_SECONDS = 20


@contextlib.asynccontextmanager
async def under_load(callers: RotatingCallers) -> AsyncIterator[None]:
    """Has all call within the block; no call may fail."""
    await callers.until(lambda caller: caller.ready)
    load = asyncio.ensure_future(callers.call(per_second=50))
    try:
        yield
    finally:
        load.cancel()
        await asyncio.gather(load, return_exceptions=True)
    assert not callers.failures
    assert len(callers.seconds) > CALLERS


@pytest.mark.req("sa-5")
@pytest.mark.req("scale-4", part=True)
async def test_identities_rotate_under_load_and_no_call_fails(
    start_spire: StartSpire, governd: StartGovernd
) -> None:
    spire = start_spire(entries=[*own_entries(TTL_SECONDS), *entries(CALLERS, TTL_SECONDS)])
    daemon = governd(settings(spire, more=listeners(CALLERS)), listeners={})
    async with RotatingCallers(daemon, CALLERS) as callers, under_load(callers):
        await callers.until(lambda caller: caller.rotations >= 3)


@pytest.mark.req("sa-5", part=True)
async def test_an_authority_is_rotated_as_documented_and_no_call_fails(
    start_spire: StartSpire, governd: StartGovernd
) -> None:
    """Prepare, activate, taint, wait, revoke."""
    spire = start_spire(entries=[*own_entries(), *entries(CALLERS, ttl=0)])
    daemon = governd(settings(spire, more=listeners(CALLERS)), listeners={})
    async with RotatingCallers(daemon, CALLERS) as callers, under_load(callers):
        first = await authorities_of(spire)
        prepared = spire.server.prepare_authority()
        await callers.until(lambda caller: len(caller.authorities) == 2)
        old = spire.server.activate_authority(prepared)
        spire.server.taint_authority(old)
        await callers.until(lambda caller: caller.rotations >= 1)
        new = [one for one in await authorities_of(spire) if one not in first]
        # Who knows the new authority alone finds governd: its own certificate is renewed, too.
        await Door(daemon, new).until_known(await svid_of(spire, "k8s:sa:caller-0"))
        spire.server.revoke_authority(old)
        await callers.until(lambda caller: len(caller.authorities) == 1)
        answered = len(callers.seconds)
        await callers.until(lambda _: len(callers.seconds) > answered + CALLERS)
