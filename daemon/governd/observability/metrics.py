"""The metrics of ``names.py`` as Prometheus objects, and their HTTP endpoint.

Each ``Metrics`` stands on a registry of its own, never on the library's global one, so
two can live in one process and a test sees only its own.

The hot paths (calls, decisions) keep the children of labelled metrics: looking one up in
``prometheus_client`` costs more than counting.

Promises:
    * The number of series is bounded: label values come from fixed lists, and anything
      else counts as ``other``.
    * The endpoint answers ``GET /metrics`` and nothing else.
"""

import socket
import threading
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import ThreadingWSGIServer

from governd.audit.report import Report
from governd.observability import names
from governd.observability.names import OTHER, Metric
from governd.observability.plain import PlainCounter, PlainHistogram
from governd.observability.tool_metrics import ToolMetrics

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_CLIENT_TIMEOUT_SECONDS = 5


class Metrics:
    """Everything governd counts.

    Attributes:
        registry: What the endpoint serves.
        calls_in_flight: Give it a function with ``set_function``.
        connections: Likewise.
        listeners_full: Likewise.
        listeners: Open listeners.
        policy_age: Give it a function.
        policy_policies: Policies in force.
        policy_ready: 1 while a policy is in force.
        policy_last_success: Seconds since 1970.
        decision_log_failures: Writes and syncs that failed.
        epoch_followers: Give it a function.
        tools: What is counted of tools.
        ready: 1 while the health service says SERVING.
    """

    def __init__(
        self, registry: CollectorRegistry, *, version: str, actions: Iterable[str]
    ) -> None:
        """Registers every metric.

        Args:
            registry: A registry of its own.
            version: governd's version.
            actions: The actions that may be a label; others count as ``other``.
        """
        # The library's "_created" series double the scrape and say nothing that a
        # process's start time does not; it offers no switch of a registry's own.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry
        self._actions = frozenset(actions)
        self._make_calls()
        self._make_decisions()
        self._make_policy()
        self._gauge(names.BUILD_INFO).labels(version).set(1)
        self._make_reports()
        self.tools = ToolMetrics(registry)
        self._unsafe_settings = self._gauge(names.UNSAFE_SETTINGS)
        self.ready = self._gauge(names.READY)

    def _make_calls(self) -> None:
        self._calls = self._counter(names.CALLS)
        self._call_duration = self._histogram(names.CALL_DURATION)
        self._refusals = self._counter(names.REFUSALS)
        self._call_children: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        self.calls_in_flight = self._gauge(names.CALLS_IN_FLIGHT)
        self.connections = self._gauge(names.CONNECTIONS)
        self.listeners_full = self._gauge(names.LISTENERS_FULL)
        self.listeners = self._gauge(names.LISTENERS)

    def _make_decisions(self) -> None:
        self._decisions = PlainCounter(names.DECISIONS, _decision_labels)
        self._decision_duration = PlainHistogram(names.DECISION_DURATION)
        self.registry.register(self._decisions)
        self.registry.register(self._decision_duration)
        self._records = PlainCounter(names.DECISION_LOG_RECORDS, lambda _: [])
        self._records.counts[()] = 0
        self.registry.register(self._records)
        self.decision_log_failures = self._counter(names.DECISION_LOG_FAILURES)

    def _make_policy(self) -> None:
        self._policy_loads = self._counter(names.POLICY_LOADS)
        self.policy_age = self._gauge(names.POLICY_AGE)
        self.policy_policies = self._gauge(names.POLICY_POLICIES)
        self.policy_ready = self._gauge(names.POLICY_READY)
        self.policy_last_success = self._gauge(names.POLICY_LAST_SUCCESS)

    def _make_reports(self) -> None:
        self._outcomes = self._counter(names.OUTCOMES)
        self._lease_uses = self._counter(names.LEASE_USES)
        self._answers = PlainHistogram(names.CLIENT_ANSWER_DURATION)
        self.registry.register(self._answers)
        self.epoch_followers = self._gauge(names.EPOCH_FOLLOWERS)

    def reported(self, report: Report) -> None:
        """Counts what a caller reports."""
        for outcome in report.outcomes:
            self._outcomes.labels(outcome.outcome).inc()
        self._lease_uses.inc(sum(one.uses for one in report.lease_uses))
        for one in report.latencies:
            self._answers.add(one.path, one.counts, one.seconds)

    def call_ended(self, method: str, code: str, seconds: float) -> None:
        """Counts a call.

        Args:
            method: A method that governd serves, or ``other``.
            code: Name of its gRPC status code.
            seconds: How long it took.
        """
        children = self._call_children.get((method, code))
        if children is None:
            children = (self._calls.labels(method, code), self._call_duration.labels(method))
            self._call_children[method, code] = children
        children[0].inc()
        children[1].observe(seconds)

    def refused(self, reason: str) -> None:
        """Counts a refusal by its ErrorReason."""
        self._refusals.labels(reason).inc()

    def decided(self, *, allow: bool, code: str, action: str, seconds: float) -> None:
        """Counts a decision.

        Args:
            allow: Whether it permits.
            code: Its DecisionCode, without the prefix.
            action: The action asked about, whatever the caller called it.
            seconds: How long it took.
        """
        key = (allow, code, action if action in self._actions else OTHER)
        counts = self._decisions.counts
        counts[key] = counts.get(key, 0) + 1
        self._decision_duration.observe(seconds)

    def records_written(self, count: int) -> None:
        """Counts records that were written to the decision log."""
        self._records.counts[()] += count

    def policy_load(self, outcome: str) -> None:
        """Counts an attempt to load the policy source."""
        self._policy_loads.labels(outcome).inc()

    def unsafe_settings(self, settings: Collection[str]) -> None:
        """Shows the settings in force that relax a protection."""
        for setting in settings:
            self._unsafe_settings.labels(setting).set(1)

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.help, tuple(metric.labels), registry=self.registry)

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.help, tuple(metric.labels), registry=self.registry)

    def _histogram(self, metric: Metric) -> Histogram:
        labels = tuple(metric.labels)
        return Histogram(
            metric.name, metric.help, labels, registry=self.registry, buckets=metric.buckets
        )


def _decision_labels(key: tuple[object, ...]) -> list[str]:
    allow, code, action = key
    return ["allow" if allow else "deny", str(code).lower(), str(action)]


class MetricsServer:
    """The HTTP endpoint, in a thread of its own.

    Attributes:
        port: The port in use, also where 0 was asked for.
    """

    def __init__(self, registry: CollectorRegistry, host: str, port: int) -> None:
        """Binds and starts to answer; port 0 takes any free one.

        Raises:
            OSError: The address is in use or not ours.
        """
        application = only_metrics(prometheus_client.make_wsgi_app(registry))
        self._server: WSGIServer = make_server(
            host, port, application, _server_class(host), _SilentHandler
        )
        self.port: int = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stops answering and frees the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def only_metrics(application: "WSGIApplication") -> "WSGIApplication":
    """Keeps ``application`` to the path ``/metrics``: it would answer on any."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/metrics":
            return application(environ, start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"the only page here is /metrics\n"]

    return answer


def _server_class(host: str) -> type[WSGIServer]:
    class Server(ThreadingWSGIServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    return Server


class _SilentHandler(WSGIRequestHandler):
    """Logs no requests, and lets no client hold a thread for long."""

    timeout = _CLIENT_TIMEOUT_SECONDS

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: a scrape is not an event."""
