"""What an operator sees of a real daemon: logs, metrics, and a real Prometheus on them."""

import json
import re
import subprocess
import time
from pathlib import Path

import grpc
import pytest

from governd._proto.governd.v1 import policy_service_pb2, policy_service_pb2_grpc, types_pb2
from governd_client import Client
from tests import parts
from tests.integration.daemon_process import LISTENERS, DaemonProcess, StartGovernd
from tests.integration.prometheus_process import (
    METRICS,
    RULES,
    metrics_port,
    query,
    running_prometheus,
    scrape,
)

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
SECRET = "hunter2-do-not-log"


def ask(daemon: DaemonProcess, tool: str, **metadata: str) -> types_pb2.Evaluation:
    asked = policy_service_pb2.EvaluateRequest(
        action=types_pb2.Action(name="tools/call"),
        resource=types_pb2.Resource(type="tool", id=tool),
        context=types_pb2.Context(arguments_json=json.dumps({"repo_path": SECRET}).encode()),
    )
    with grpc.insecure_channel(daemon.target("reader")) as channel:
        stub = policy_service_pb2_grpc.PolicyServiceStub(channel)
        return stub.Evaluate(asked, timeout=5, metadata=tuple(metadata.items())).evaluation


@pytest.mark.req("ob-1")
def test_a_decision_s_log_line_joins_caller_trace_and_decision_and_holds_no_secret(
    governd: StartGovernd,
) -> None:
    daemon = governd('[log]\ndecisions = "all"')
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01", "authorization": f"Bearer {SECRET}"}
    answer = ask(daemon, "git/git_status", **headers)
    line = next(line for line in daemon.log() if line["event"] == "decision")
    assert line["decision_id"] == answer.decision_id
    assert line["caller"] == LISTENERS["reader"]
    assert (line["trace_id"], line["span_id"]) == (TRACE, SPAN)
    record = daemon.decisions()[-1]
    assert (record["trace_id"], record["span_id"]) == (TRACE, SPAN)
    assert SECRET not in daemon.stderr_file.read_text()
    assert SECRET not in daemon.decision_log.read_text()


def test_a_malformed_trace_context_is_ignored(governd: StartGovernd) -> None:
    daemon = governd('[log]\ndecisions = "all"')
    ask(daemon, "git/git_status", traceparent=f"00-{'0' * 32}-{SPAN}-01")
    line = next(line for line in daemon.log() if line["event"] == "decision")
    assert "trace_id" not in line


def ask_often(daemon: DaemonProcess) -> None:
    for _ in range(51):  # one more than the burst
        ask(daemon, "git/git_status")


def test_every_refusal_has_a_reason_and_a_metric(governd: StartGovernd) -> None:
    daemon = governd("[limits]\nburst = 50\ncalls_per_second = 0.1\n" + METRICS)
    with pytest.raises(grpc.RpcError) as raised:
        ask_often(daemon)
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert re.search(r'governd_refusals_total\{reason="RATE_LIMITED"\} 1\.0', scrape(daemon))


def _labels(text: str) -> set[str]:
    """Labels of decisions, with their values."""
    lines = [line for line in text.splitlines() if line.startswith("governd_decision")]
    return {pair for line in lines for pair in re.findall(r'[a-z_]+="[^"]*"', line)}


@pytest.mark.req("ob-2")
def test_what_callers_send_never_becomes_a_label(governd: StartGovernd) -> None:
    daemon = governd(METRICS)
    ask(daemon, "git/git_status")
    ask(daemon, "git/tool-0")
    before = _labels(scrape(daemon))
    for number in range(1, 50):
        ask(daemon, f"git/tool-{number}")
    text = scrape(daemon)
    assert "spiffe://" not in text
    assert "tool-1" not in text
    assert _labels(text) <= before, "one tool stands for all others"


@pytest.mark.req("ob-2")
def test_a_real_prometheus_scrapes_and_checks_the_metrics_and_evaluates_the_rules(
    governd: StartGovernd, tmp_path: Path
) -> None:
    daemon = governd(METRICS)
    ask(daemon, "git/git_status")
    promtool = str(parts.promtool())
    subprocess.run([promtool, "check", "rules", str(RULES)], check=True, capture_output=True)
    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=scrape(daemon),
        text=True,
        capture_output=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    with running_prometheus(tmp_path, metrics_port(daemon)) as port:
        found = query(port, "query", query='governd_decisions_total{decision="allow"}')
        assert found["result"][0]["value"][1] == "1"
        assert query(port, "query", query="up")["result"][0]["value"][1] == "1"
        groups = query(port, "rules")["groups"]
        deadline = time.monotonic() + 20
        while any(rule["health"] != "ok" for rule in groups[0]["rules"]):
            assert time.monotonic() < deadline, groups
            time.sleep(0.2)
            groups = query(port, "rules")["groups"]
        assert {rule["state"] for rule in groups[0]["rules"]} == {"inactive"}


@pytest.mark.req("sm-5")
def test_a_real_prometheus_knows_how_long_answers_took_in_the_client(
    governd: StartGovernd, tmp_path: Path
) -> None:
    """From a real client: asked once, leased from then on, reported when it closes."""
    daemon = governd(METRICS)
    with Client(str(daemon.sockets["reader"])) as client:
        asked = [client.evaluate("tools/list", ("mcp_server", "git")) for _ in range(2)]
        while not asked[-1].leased:
            asked.append(client.evaluate("tools/list", ("mcp_server", "git")))
        leased = sum(one.leased for one in asked)
    name = "governd_client_answer_duration_seconds"
    with running_prometheus(tmp_path, metrics_port(daemon)) as port:
        counts = query(port, "query", query=f"{name}_count")["result"]
        found = {one["metric"]["path"]: int(one["value"][1]) for one in counts}
        assert found == {"unary": len(asked) - leased, "lease": leased}
        median = query(
            port, "query", query=f'histogram_quantile(0.5, {name}_bucket{{path="lease"}})'
        )
        assert float(median["result"][0]["value"][1]) < float("inf")
        assert query(port, "query", query="governd_lease_uses_total")["result"]
