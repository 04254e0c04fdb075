"""What Prometheus learns of deliveries, at the worker's port."""

from temporalio.common import MetricMeter


class Measures:
    """Counters by channel, and how far behind the dispatcher is."""

    def __init__(self, meter: MetricMeter = MetricMeter.noop) -> None:
        self.delivered = meter.create_counter("summit_notifications_delivered", "Messages delivered")
        self.failed = meter.create_counter("summit_notifications_failed", "Attempts that failed and are made again")
        self.dead = meter.create_counter("summit_notifications_dead", "Messages given up")
        self.pending = meter.create_gauge("summit_notifications_pending", "Messages due and not delivered")
        self.age = meter.create_gauge_float(
            "summit_notifications_pending_age_seconds", "How long the oldest of them has been due"
        )
