"""What is read of governd's parts when metrics are scraped."""

import time

from governd.application.sync_policy import PolicyKeeper
from governd.application.watch_epoch import EpochFeed
from governd.endpoints import connections
from governd.endpoints.limits import Admissions
from governd.endpoints.listeners import Listeners
from governd.observability.metrics import Metrics


def publish(
    metrics: Metrics,
    listeners: Listeners,
    admissions: Admissions,
    keeper: PolicyKeeper,
    epochs: EpochFeed,
) -> None:
    """Has all of it read whenever it is scraped.

    Args:
        metrics: What is scraped.
        listeners: Those that are open, at any time.
        admissions: Knows the calls that are being served.
        keeper: Knows the age of the policy in force.
        epochs: Knows who follows its changes.
    """
    metrics.calls_in_flight.set_function(admissions.in_flight)
    metrics.epoch_followers.set_function(lambda: epochs.followers)
    metrics.connections.set_function(lambda: connections.total(listeners))
    metrics.listeners.set_function(lambda: len(listeners))
    metrics.listeners_full.set_function(lambda: connections.full(listeners))
    metrics.policy_age.set_function(lambda: keeper.state.info(time.monotonic()).age_seconds)
