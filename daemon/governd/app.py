"""The composition root: the only place that knows every part and constructs them.

``App`` puts a governd together from its settings, and starts, drains and stops it.
"""

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from governd import __version__
from governd.adapters.compiler_process import CompilerProcess
from governd.adapters.decision_file import DecisionFile
from governd.adapters.identity_parts import IdentityParts
from governd.adapters.policy_directory import PolicyDirectory
from governd.adapters.policy_report import PolicyReport
from governd.adapters.registration_files import REGISTRATIONS, RegistrationFiles
from governd.adapters.state_lock import StateLock
from governd.adapters.tool_report import ToolReport
from governd.application.operate import CallerUsage, Component, Operator
from governd.application.readiness import Readiness
from governd.application.registrations import Registrations
from governd.application.sync_policy import PolicyKeeper, dressed_by
from governd.application.watch_epoch import EpochFeed
from governd.config import Config
from governd.endpoints.health import Health
from governd.endpoints.limits import Admissions
from governd.observability import logs
from governd.observability.identity_metrics import IdentityMetrics
from governd.observability.metrics import Metrics, MetricsServer
from governd.policy.inquiry import BUILT_IN_ACTIONS
from governd.services import composition, gauges
from governd.services.agent_parts import AgentParts
from governd.services.delegation_parts import DelegationParts
from governd.services.evidence_parts import EvidenceParts
from governd.services.openings import Openings
from governd.services.serving import serve
from governd.services.token_parts import TokenParts

_GC_THRESHOLDS = (5_000, 20, 50)
"""What is remembered of questions has no cycles: Python's own pace walks it for nothing."""


class App:
    """One governd."""

    def __init__(self, config: Config) -> None:
        """Constructs every part that needs no running loop; nothing is opened yet."""
        self._config = config
        self._log = logs.get("governd")
        self._changed = asyncio.Event()
        self._lock = StateLock(config.state_directory)
        self._metrics = Metrics(CollectorRegistry(), version=__version__, actions=BUILT_IN_ACTIONS)
        self._records = DecisionFile(
            config.decision_log.path,
            sync_interval_seconds=config.decision_log.sync_interval_seconds,
            on_written=self._metrics.records_written,
            on_failure=self._log_failed,
        )
        self._tool_report = ToolReport(self._metrics.tools, self._log)
        files = RegistrationFiles(config.state_directory / "registrations", REGISTRATIONS)
        self._registrations = Registrations(files, self._tool_report)
        self._agents = AgentParts(config.state_directory, self._metrics.registry, self._log)
        self._evidence = EvidenceParts(config, self._metrics.registry, self._log)
        self._keeper = self._make_keeper()
        self._epochs = EpochFeed(self._keeper, clock=time.monotonic)
        self._identities = IdentityParts(
            config, IdentityMetrics(self._metrics.registry), self._log, self._changed.set
        )
        self._agents.join(self._keeper, self._records, self._identities)
        self._evidence.join(self._keeper, self._records)
        self._delegations = DelegationParts(
            self._keeper,
            self._records,
            self._identities,
            self._evidence,
            self._metrics.registry,
            level_of=self._agents.agents.level,
        )
        self._tokens = TokenParts(
            config,
            self._keeper,
            self._records,
            self._identities,
            self._delegations.verifier,
            registry=self._metrics.registry,
        )
        self._operator = self._make_operator()
        self._admissions = Admissions(config.limits)
        self._openings: Openings | None = None
        self._health: Health | None = None
        self._metrics_server: MetricsServer | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Opens everything that waits for nobody; returns when that answers.

        What waits for the source of identities opens later. Until then governd is not ready,
        and says why.

        Raises:
            GoverndError: The state directory is locked, the decision log cannot be
                opened, what was registered cannot be read, or a socket cannot be put at
                its path.
            OSError: The metrics endpoint's address cannot be had.
        """
        self._tokens.load()
        self._lock.acquire()
        self._records.open()
        self._records.start()
        self._registrations.load()
        self._agents.agents.load()
        self._evidence.revoked.load()
        self._identities.start()
        await self._keeper.check()
        self._health = await Health.create(gated=composition.GATED, standing=composition.STANDING)
        readiness = Readiness(self._operator, self._health, self._metrics.ready.set)
        self._openings = openings = Openings(
            self._config,
            serve(self._parts(), self._health),
            self._identities,
            admissions=self._admissions,
            metrics=self._metrics,
            on_change=self._changed.set,
        )
        await openings.start()
        await readiness.refresh()
        self._publish_metrics(openings)
        self._tasks = [
            asyncio.create_task(self._keeper.watch(self._config.policy.poll_interval_seconds)),
            asyncio.create_task(readiness.tend(self._changed)),
            asyncio.create_task(self._agents.follow()),
            asyncio.create_task(self._evidence.tend()),
            asyncio.create_task(self._delegations.follow()),
            asyncio.create_task(self._tokens.tend()),
            *openings.tasks(),
        ]
        # What is there now stays: collections need not walk it, which takes milliseconds.
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        self._log.info("serving", listeners=openings.count(), ready=readiness.ready)

    async def failure(self) -> None:
        """Returns never; raises what ends a task that should go on for ever."""
        await asyncio.gather(*self._tasks)

    async def drain(self) -> None:
        """Refuses new calls, lets those that have begun finish, and stops."""
        self._log.info("draining", seconds=self._config.drain.grace_seconds)
        if self._health:
            await self._health.draining()
        grace = self._config.drain.grace_seconds
        ended = await self._openings.drain(grace) if self._openings else 0
        await self.stop()
        self._log.info("stopped", calls=ended)

    async def stop(self) -> None:
        """Closes everything at once; what was decided is on disk."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._openings:
            await self._openings.stop()
        if self._metrics_server:
            await asyncio.to_thread(self._metrics_server.close)
        await self._identities.close()
        await self._records.close()
        self._lock.release()

    def _make_keeper(self) -> PolicyKeeper:
        directory = self._config.policy.directory
        return PolicyKeeper(
            PolicyDirectory(directory) if directory else None,
            CompilerProcess(self._config.state_directory / "compiled"),
            clock=time.monotonic,
            on_load=PolicyReport(self._metrics, self._log, self._policy_changed).loaded,
            on_redress=lambda _: self._policy_changed(),
            dress=dressed_by(
                self._evidence.revoked.dress,  # first: others ask who is revoked
                self._registrations.dress,
                self._agents.agents.dress,
            ),
        )

    def _policy_changed(self) -> None:
        self._changed.set()
        self._epochs.changed()

    def _make_operator(self) -> Operator:
        config = self._config
        return Operator(
            self._keeper,
            self._identities.own,
            version=__version__,
            production=config.production,
            unsafe_settings=config.unsafe_settings(),
            started=datetime.now(UTC),
            clock=time.monotonic,
            usage=self._usage,
            listeners=lambda: self._openings.count() if self._openings else 0,
            components=[*self._listening(), *self._kept()],
        )

    def _parts(self) -> composition.Parts:
        return composition.Parts(
            self._config,
            self._keeper,
            self._registrations,
            self._epochs,
            self._records,
            self._metrics,
            self._tool_report,
            self._operator,
            self._identities,
            self._agents,
            self._evidence,
            self._delegations,
            self._tokens,
        )

    def _publish_metrics(self, openings: Openings) -> None:
        metrics = self._metrics
        gauges.publish(metrics, openings.listeners, self._admissions, self._keeper, self._epochs)
        metrics.unsafe_settings(self._config.unsafe_settings())
        if self._config.metrics.endpoint:
            self._metrics_server = MetricsServer(metrics.registry, *self._config.metrics.endpoint)
            self._log.info("metrics", port=self._metrics_server.port)

    def _log_failed(self, error: OSError) -> None:
        self._metrics.decision_log_failures.inc()
        self._log.error("decision log failed", error=error.strerror)
        self._changed.set()

    def _usage(self) -> Iterator[CallerUsage]:
        yield from self._openings.usage() if self._openings else ()

    def _kept(self) -> Iterator[Callable[[], Component]]:
        yield from (self._records.state, self._registrations.state, self._agents.agents.state)
        yield from (self._evidence.revoked.state, self._tokens.state)

    def _listening(self) -> Iterator[Callable[[], Component]]:
        not_yet = Component("listeners", ready=False, detail="none is open yet")
        yield lambda: self._openings.state() if self._openings else not_yet
        if self._config.csi.enabled:
            yield lambda: self._openings.plugin() if self._openings else not_yet
