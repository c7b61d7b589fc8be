"""Metrics that are counted in plain numbers and read when they are scraped.

``prometheus_client`` takes a lock and half a dozen calls for each observation, one at a
time. On the way of every decision that is a good part of its cost, and what clients count
themselves comes as a whole. Nothing here is thread-safe but reading: only the event loop
counts, and a scrape may miss what is counted meanwhile.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from governd.observability.names import Metric


class PlainCounter(Collector):
    """A counter with any number of labels.

    Attributes:
        counts: By what ``labels_of`` makes labels of; add to it directly.
    """

    def __init__(
        self, metric: Metric, labels_of: Callable[[tuple[object, ...]], list[str]]
    ) -> None:
        """Starts empty."""
        self._metric = metric
        self._labels_of = labels_of
        self.counts: dict[tuple[object, ...], int] = {}

    def collect(self) -> Iterator[CounterMetricFamily]:
        """What a scrape gets."""
        metric = self._metric
        family = CounterMetricFamily(metric.name, metric.help, labels=tuple(metric.labels))
        for key, count in self.counts.copy().items():
            family.add_metric(self._labels_of(key), count)
        yield family


class PlainHistogram(Collector):
    """A histogram with at most one label."""

    def __init__(self, metric: Metric) -> None:
        """Starts empty."""
        self._metric = metric
        self._bounds = metric.buckets
        self._counts: dict[str, list[int]] = {} if metric.labels else {"": self._none()}
        self._sums: dict[str, float] = dict.fromkeys(self._counts, 0.0)

    def observe(self, value: float) -> None:
        """Counts one observation, where there is no label."""
        self._counts[""][bisect_left(self._bounds, value)] += 1
        self._sums[""] += value

    def add(self, label: str, counts: tuple[int, ...], total: float) -> None:
        """Adds observations as a whole.

        Args:
            label: The value of the label.
            counts: How many were up to each bound, and above the last; not cumulative.
            total: Their sum.
        """
        # The sum first: a scrape in between finds one for every count.
        self._sums[label] = self._sums.get(label, 0.0) + total
        held = self._counts.get(label) or self._none()
        self._counts[label] = [mine + more for mine, more in zip(held, counts, strict=True)]

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """What a scrape gets."""
        metric = self._metric
        family = HistogramMetricFamily(metric.name, metric.help, labels=tuple(metric.labels))
        bounds = [*(str(bound) for bound in self._bounds), "+Inf"]
        for label, counts in self._counts.copy().items():
            cumulated = [sum(counts[: end + 1]) for end in range(len(counts))]
            labels = [label] if metric.labels else []
            family.add_metric(labels, list(zip(bounds, cumulated, strict=True)), self._sums[label])
        yield family

    def _none(self) -> list[int]:
        return [0] * (len(self._bounds) + 1)
