"""What Prometheus reads from an API process."""

from dataclasses import dataclass, field
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
UNMATCHED: Final = "(none)"
"""The route of a request that no route takes; its path would make a series per typing error."""


@dataclass
class Metrics:
    """A registry of its own per application, so that two in one process do not collide."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.seconds = Histogram(
            "support_http_request_duration_seconds",
            "Time from a request's arrival to the start of its answer",
            ("method", "route", "status"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.running = Gauge("support_http_requests_in_progress", "Requests being handled", registry=self.registry)
        self.logins = Counter("support_logins_total", "Attempts to sign in", ("outcome",), registry=self.registry)
        self.series: dict[tuple[str, str, int], Histogram] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        key = (method, route, status)
        series = self.series.get(key)
        if series is None:
            series = self.series[key] = self.seconds.labels(method, route, str(status))
        series.observe(seconds)

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes: ours, and what modules count for the whole process."""
        return generate_latest(self.registry) + generate_latest(REGISTRY)
