"""What Prometheus reads about tickets and their promises: of all tenants together, from the database, the same from every replica.

The numbers are counted there once and for all, a few at a time, so that neither a scrape nor a restart costs more with a million
tickets. Every replica tells the same: take `max`, not `sum`, over instances.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from api.loops import surviving
from db.measures import read_measures, refresh_measures
from domain.customers import Tier
from domain.sla.clocks import ClockKind
from domain.tickets.model import Status

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0

TIMES: Final = (
    *(MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR),
    *(DAY, 2 * DAY, 3 * DAY, 7 * DAY, 14 * DAY, 30 * DAY),
)
"""Upper bounds in seconds; the promises of the tiers are among them."""

LAGS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, MINUTE, 5 * MINUTE, HOUR)

OVERLAP: Final = timedelta(minutes=1)
"""So long may a decision take from its instant to its commit without being missed."""

PAGE: Final = 5_000
MOST_PAGES: Final = 50
"""In one round; a large backlog takes several."""

Row = Mapping[str, Any]


@dataclass(eq=False)
class Support(Collector):
    """The guide's six, how many promises were due, and the time from a broken deadline to its record; as of the last refresh."""

    rows: dict[str, list[Row]] | None = None

    def take(self, rows: Sequence[Row]) -> None:
        """Tell these from now on."""
        found: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            found[row["name"]].append(row)
        self.rows = found

    def describe(self) -> Iterator[Metric]:
        """Nothing: asking the names of a registry's newcomer must not read anything."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Every family; none before the first refresh, since a counter that begins at nought again would look like an increase."""
        if self.rows is not None:
            yield from families(self.rows)


def families(rows: Mapping[str, list[Row]]) -> Iterator[Metric]:
    """The measures as Prometheus knows them."""
    total = sum(row["count"] for row in rows["tickets"])
    yield CounterMetricFamily("support_tickets", "Tickets created", value=total)
    statuses = GaugeMetricFamily("support_tickets_by_status", "Tickets by status", labels=["status"])
    counts = {row["label"]: row["count"] for row in rows["status"]}
    for status in Status:
        statuses.add_metric([status.value], counts.get(status.value, 0))
    yield statuses
    yield histogram(
        "support_response_time_seconds", "From creation to first response", "tier", Tier, rows["response"], TIMES
    )
    yield histogram(
        "support_resolution_time_seconds", "From creation to resolution", "tier", Tier, rows["resolution"], TIMES
    )
    yield from compliance(rows["met"], rows["breached"])
    yield from satisfaction(rows["satisfaction"])
    yield histogram(
        "support_sla_detection_lag_seconds",
        "From a broken deadline to its record",
        "kind",
        ClockKind,
        rows["lag"],
        LAGS,
    )


def compliance(met_rows: Sequence[Row], breached_rows: Sequence[Row]) -> Iterator[Metric]:
    """What was kept of what was due, by kind of promise, and how many that were: a few prove nothing."""
    ratio = GaugeMetricFamily(
        "support_sla_compliance_ratio", "Met of all due in the last 30 days, 0 to 1", labels=["kind"]
    )
    counts = GaugeMetricFamily("support_sla_promises_due", "Promises due in the last 30 days", labels=["kind"])
    met = {row["label"]: row["count"] for row in met_rows}
    breached = {row["label"]: row["count"] for row in breached_rows}
    for kind in ClockKind:
        kept, due = met.get(kind, 0), met.get(kind, 0) + breached.get(kind, 0)
        ratio.add_metric([kind.value], kept / due if due else math.nan)
        counts.add_metric([kind.value], due)
    yield ratio
    yield counts


def satisfaction(rows: Sequence[Row]) -> Iterator[Metric]:
    """What customers thought of it lately, and how many of them said so."""
    count, total = sum(row["count"] for row in rows), sum(row["sum"] for row in rows)
    score = total / count if count else math.nan
    yield GaugeMetricFamily("support_satisfaction_score", "Mean rating in the last 30 days, 1 to 5", value=score)
    yield GaugeMetricFamily("support_ratings_given", "Ratings in the last 30 days", value=count)


def histogram(
    name: str, text: str, label: str, values: Iterable[str], rows: Sequence[Row], bounds: Sequence[float]
) -> Metric:
    """The buckets for each of `values`, cumulative as Prometheus wants them; those of nought too, so that the first one is an increase."""
    family = HistogramMetricFamily(name, text, labels=[label])
    for value in values:
        of_label = [row for row in rows if row["label"] == value]
        buckets = [
            ("+Inf" if math.isinf(bound) else f"{bound}", sum(row["count"] for row in of_label if row["upto"] <= bound))
            for bound in (*bounds, math.inf)
        ]
        family.add_metric([str(value)], buckets, sum(row["sum"] for row in of_label))
    return family


@dataclass
class Refresher:
    """Counts what is new, in whichever process comes first, and tells `support` what was counted so far."""

    engine: AsyncEngine
    support: Support
    interval: float
    overlap: timedelta = OVERLAP

    async def run(self) -> None:
        """Refresh until cancelled, whatever is away meanwhile."""
        while True:
            async with surviving("measures"):
                await self.round()
            await asyncio.sleep(self.interval)

    async def round(self) -> None:
        """Count until there is nothing new, page by page, so that no transaction lasts."""
        if self.support.rows is None:
            await self._tell()
        for _ in range(MOST_PAGES):
            async with self.engine.begin() as connection:
                looked = await refresh_measures(connection, TIMES, LAGS, self.overlap, PAGE)
            if looked is None or looked < PAGE:
                break
        await self._tell()

    async def _tell(self) -> None:
        async with self.engine.begin() as connection:
            self.support.take([dict(row) for row in await read_measures(connection)])


def make_refresher(engine: AsyncEngine, registry: CollectorRegistry, interval: float) -> Refresher:
    """A refresher whose numbers `registry` tells."""
    support = Support()
    registry.register(support)
    return Refresher(engine, support, interval)
