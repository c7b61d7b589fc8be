"""The node's name is one that a SPIFFE ID can have."""

import socket

import pytest

from governd.adapters.node_name import node_name
from governd.identity import SpiffeId


def test_a_name_that_was_configured_is_taken() -> None:
    assert node_name("node-1") == "node-1"


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("ip-10-0-0-1.ec2.internal", "ip-10-0-0-1.ec2.internal"),
        ("büro_1", "b-ro_1"),
        ("..", "node"),
    ],
)
def test_the_hosts_name_is_made_fit_for_a_path(
    monkeypatch: pytest.MonkeyPatch, host: str, name: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    assert node_name() == name
    assert SpiffeId.parse(f"spiffe://example.org/governd/server/{name}").path.endswith(name)
