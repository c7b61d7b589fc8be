"""A real Prometheus that scrapes a daemon.

daemon = governd(METRICS)
with running_prometheus(tmp_path, metrics_port(daemon)) as port:
    assert value(port, "up") == 1
"""

import json
import signal
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import parts
from tests.integration.daemon_process import ROOT, DaemonProcess

RULES = ROOT / "docs" / "prometheus" / "governd.rules.yaml"
METRICS = '[metrics]\naddress = "127.0.0.1:0"\n'
PATIENCE_SECONDS = 60


def metrics_port(daemon: DaemonProcess) -> int:
    """Where a daemon with ``METRICS`` serves them."""
    return next(int(line["port"]) for line in daemon.log() if line["event"] == "metrics")


def scrape(daemon: DaemonProcess) -> str:
    """All metrics of a daemon, as Prometheus gets them."""
    url = f"http://127.0.0.1:{metrics_port(daemon)}/metrics"
    with urllib.request.urlopen(url, timeout=5) as answer:
        text: str = answer.read().decode()
    return text


@contextmanager
def running_prometheus(folder: Path, target: int) -> Iterator[int]:
    """A real Prometheus that scrapes ``target`` and evaluates the shipped rules."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    (folder / "prometheus.yml").write_text(f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{RULES}]
scrape_configs:
  - job_name: governd
    static_configs: [{{targets: ["127.0.0.1:{target}"]}}]
""")
    command = [
        str(parts.prometheus()),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def query(port: int, path: str, **parameters: str) -> dict[str, Any]:
    """What Prometheus answers, once that is anything."""
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                data: dict[str, Any] = json.load(answer)["data"]
        except OSError:
            data = {}
        if data.get("result") or any(group["rules"] for group in data.get("groups", ())):
            return data
        assert time.monotonic() < deadline, f"Prometheus has no answer to {path} {parameters}"
        time.sleep(0.2)


def value(port: int, expression: str) -> float:
    """The value of an expression with one result, once there is one."""
    (found,) = query(port, "query", query=expression)["result"]
    return float(found["value"][1])


def until_value(port: int, expression: str, fits: Callable[[float], bool]) -> None:
    """Returns when the value of an expression fits."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not fits(found := value(port, expression)):
        assert time.monotonic() < deadline, f"{expression} is {found}"
        time.sleep(0.2)
