"""The metrics endpoint over HTTP."""

import http.client
import socket
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from governd.observability.metrics import Metrics, MetricsServer


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    metrics = Metrics(CollectorRegistry(), version="1.2.3", actions=())
    server = MetricsServer(metrics.registry, "127.0.0.1", 0)
    yield server
    server.close()


def request(server: MetricsServer, method: str, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


@pytest.mark.req("ob-2", part=True)
def test_metrics_are_served_and_only_there(server: MetricsServer) -> None:
    status, body = request(server, "GET", "/metrics")
    assert status == 200
    assert 'governd_build_info{version="1.2.3"} 1.0' in body
    assert "_created" not in body
    assert request(server, "GET", "/")[0] == 404
    assert request(server, "POST", "/metrics")[0] == 405


def test_a_client_that_says_nothing_keeps_nobody_else_waiting(server: MetricsServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)):
        assert request(server, "GET", "/metrics")[0] == 200


def test_a_port_in_use_is_an_error(server: MetricsServer) -> None:
    with pytest.raises(OSError, match="in use"):
        MetricsServer(CollectorRegistry(), "127.0.0.1", server.port)


def test_a_closed_server_frees_its_port() -> None:
    first = MetricsServer(CollectorRegistry(), "127.0.0.1", 0)
    first.close()
    second = MetricsServer(CollectorRegistry(), "127.0.0.1", first.port)
    assert second.port == first.port
    second.close()
