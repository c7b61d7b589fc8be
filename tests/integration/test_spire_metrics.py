"""What a real Prometheus sees of a governd whose identities a real SPIRE issues."""

from pathlib import Path

import pytest

from governd.cli import probe
from tests.integration.attested_daemon import (
    ACCOUNT,
    SHOP,
    Attested,
    component,
    identity_section,
    listener,
    until,
)
from tests.integration.daemon_process import StartGovernd
from tests.integration.prometheus_process import (
    METRICS,
    metrics_port,
    running_prometheus,
    until_value,
    value,
)
from tests.mtls_parts import own_entries
from tests.spire_parts import Entry, StartSpire

WEB = "spiffe://example.org/web"
ISSUED = "governd_identity_issued_total"


@pytest.mark.req("sm-1")
@pytest.mark.req("avail-1")
@pytest.mark.req("sa-7", part=True)
def test_identities_that_were_issued_and_that_could_not_be_are_counted(
    start_spire: StartSpire, governd: StartGovernd, tmp_path: Path
) -> None:
    """And while the agent is away, what is held is served, and health and metrics say so."""
    spire = start_spire(entries=[*own_entries(), Entry("/web", (SHOP, ACCOUNT))])
    daemon = governd(METRICS + identity_section(spire) + listener(), listeners={})
    web = Attested(daemon)
    web.until_it_is(WEB)
    with running_prometheus(tmp_path, metrics_port(daemon)) as port:
        until_value(port, f'{ISSUED}{{result="issued"}}', lambda found: found == 3)
        until_value(port, "governd_identity_source_up", lambda found: found == 1)
        assert value(port, f'sum({ISSUED}{{result!="issued"}})') == 0
        spire.agent.kill()
        until_value(port, "governd_identity_source_up", lambda found: found == 0)
        until_value(port, f'{ISSUED}{{result="away"}}', lambda found: found >= 3)
        assert value(port, f'{ISSUED}{{result="issued"}}') == 3
        assert value(port, "governd_identities_held") == 3
        assert value(port, "governd_identity_next_expiry_seconds") > 0
        assert "SPIRE agent is away" in component(daemon, "identity").detail
        assert probe.check(daemon.admin_socket, timeout=10) != probe.SERVING
        assert web.who_am_i().spiffe_id == WEB
        spire.agent.start()
        until_value(port, "governd_identity_source_up", lambda found: found == 1)
        until(lambda: probe.check(daemon.admin_socket, timeout=10) == probe.SERVING)
