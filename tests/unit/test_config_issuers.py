"""The section ``issuers``: from where keys may come, and how old they may be."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from governd.config import Config, parse
from governd.errors import ConfigError


def config(text: str = "", **environ: str) -> Config:
    return parse(
        f'trust_domain = "example.org"\n[issuers]\n{text}',
        file="governd.toml",
        base=Path("/etc/governd"),
        environ=environ,
    )


def test_keys_come_from_public_addresses_alone_unless_stated() -> None:
    found = config().issuers
    assert found.networks == ()
    assert not found.unsafe_http
    assert found.max_staleness_seconds == 86_400
    found = config('networks = ["10.0.0.0/8", "fd00::/8"]\nca_file = "ca.pem"').issuers
    assert found.networks == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert found.ca_file == Path("/etc/governd/ca.pem")


def test_asking_without_tls_is_told() -> None:
    assert "issuers.unsafe_http" in config("unsafe_http = true").unsafe_settings()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('networks = ["10.0.0.1/8"]', "without bits beyond them"),
        ('networks = ["x"]', "without bits beyond them"),
        ("networks = [10]", "in quotes"),
        ("max_staleness_seconds = 86401", "less than or equal to 86400"),
        ("timeout_seconds = 0", "greater than or equal to 0.1"),
        ("refresh_seconds = 1", "greater than or equal to 10"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        config(text)
