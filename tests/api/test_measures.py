"""What Prometheus reads: each ticket counted once, however often it is looked at, and told by every replica alike."""

import asyncio
import math
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from api.measures import LAGS, TIMES, Support, make_refresher
from domain.customers import Tier
from runtime.settings import APP_ROLE
from tests.api.exempt import PROCESS, TICKET
from tests.api.front import Front
from tests.stack import Database

NAMES = {
    "support_tickets",
    "support_tickets_by_status",
    "support_response_time_seconds",
    "support_resolution_time_seconds",
    "support_sla_compliance_ratio",
    "support_satisfaction_score",
    "support_ratings_given",
    "support_sla_detection_lag_seconds",
}
NOW = datetime.now(UTC)
CHANGE = (
    "update support_tickets set status = %s, first_response_at = %s, resolved_at = %s, updated_at = %s where id = %s"
)
CLOCK = """
insert into sla_clocks (tenant_id, ticket_id, kind, cycle, state, tier, severity, definition_id, definition_version, calendar_id,
    target_minutes, started_at, spent, runs, holds, deadline_at, waived)
values (%s, %s, %s, %s, %s, 'BASIC', 'SEV4', gen_random_uuid(), 1, gen_random_uuid(), 60, %s, '0', '[]', '{}', %s, false)
"""
BREACH = """
insert into sla_breaches (id, tenant_id, ticket_id, kind, cycle, deadline_at, breached_at, detected_at, cause, definition_id,
    definition_version)
values (gen_random_uuid(), %s, %s, %s, %s, %s, %s, %s, %s, gen_random_uuid(), 1)
"""
RATING = """
insert into ticket_ratings (tenant_id, ticket_id, resolution, score, rated_by_name, at) values (%s, %s, %s, %s, 'Casey', %s)
"""
REFRESH = "select refresh_measures(%s::float8[], %s::float8[], '1 minute', %s)"


@dataclass
class Ledger:
    """A tenant of its own in a transaction that is rolled back."""

    connection: psycopg.Connection[tuple[Any, ...]]
    tenant: UUID
    numbers: int = 0

    def ticket(self, at: datetime = NOW - timedelta(days=1)) -> UUID:
        """A new ticket."""
        self.numbers += 1
        ticket = uuid.uuid4()
        row = {"id": ticket, "tenant": self.tenant, "workflow": f"ticket/{ticket}", "revision": 1, "confirmed": 1}
        self.connection.execute(PROCESS, {**row, "final": True, "touched": at})
        self.connection.execute(TICKET, {**row, "number": self.numbers, "email": "c@shop.example", "at": at})
        return ticket

    def changed(
        self,
        ticket: UUID,
        status: str,
        at: datetime,
        responded: datetime | None = None,
        resolved: datetime | None = None,
    ) -> None:
        """A ticket after a decision at an instant."""
        self.connection.execute(CHANGE, (status, responded, resolved, at, ticket))

    def refresh(self, most: int = 100) -> int:
        """Count what is new, as the application does it; waits for a running application that is at it."""
        self.connection.execute(f"set local role {APP_ROLE}")
        for _ in range(200):
            found = self.connection.execute(REFRESH, (list(TIMES), list(LAGS), most)).fetchone()
            if found and found[0] is not None:
                break
            time.sleep(0.05)
        else:
            raise TimeoutError
        self.connection.execute("reset role")
        return int(found[0])

    def catch_up(self) -> None:
        """Count what other tests have left uncounted."""
        while self.refresh(most=1000):
            pass

    def measures(self, name: str) -> dict[tuple[str, float], int]:
        """The counts of a measure that are not nought, by label and bound."""
        query = "select label, upto, count from measures where tenant_id = %s and name = %s and count <> 0"
        return {(label, upto): count for label, upto, count in self.connection.execute(query, (self.tenant, name))}

    def statuses(self) -> dict[str, int]:
        """How many tickets stand where."""
        return {label: count for (label, _), count in self.measures("status").items()}


@pytest.fixture
def ledger(postgres: Database) -> Iterator[Ledger]:
    with psycopg.connect(postgres.owner.conninfo()) as connection:
        slug = uuid.uuid4().hex
        found = connection.execute("insert into tenants (slug, name) values (%s, 'T') returning id", (slug,)).fetchone()
        assert found is not None
        yield Ledger(connection, found[0])
        connection.rollback()


async def test_looking_twice_counts_once(ledger: Ledger) -> None:
    ledger.catch_up()
    for _ in range(3):
        ledger.ticket()
    assert [ledger.refresh() for _ in range(2)] == [3, 0]
    assert ledger.measures("tickets") == {("", math.inf): 3}
    assert ledger.statuses() == {"NEW": 3}


async def test_a_large_backlog_is_counted_page_by_page(ledger: Ledger) -> None:
    ledger.catch_up()
    for number in range(7):
        ledger.ticket(NOW - timedelta(days=2, seconds=number // 3))
    assert [ledger.refresh(most=3) for _ in range(3)] == [3, 3, 1]
    assert ledger.measures("tickets") == {("", math.inf): 7}


async def test_a_ticket_moves_from_status_to_status(ledger: Ledger) -> None:
    ticket = ledger.ticket()
    ledger.ticket()
    ledger.refresh()
    ledger.changed(ticket, "OPEN", NOW - timedelta(hours=5))
    ledger.refresh()
    assert ledger.statuses() == {"NEW": 1, "OPEN": 1}


async def test_a_decision_that_commits_late_is_not_missed(ledger: Ledger) -> None:
    ledger.ticket(NOW - timedelta(hours=1))
    ledger.refresh()
    ledger.ticket(NOW - timedelta(hours=1, seconds=50))
    ledger.refresh()
    assert ledger.measures("tickets") == {("", math.inf): 2}


async def test_what_is_written_with_an_instant_long_past_is_found_by_the_sweep(ledger: Ledger) -> None:
    ledger.ticket()
    ledger.refresh()
    imported = ledger.ticket(NOW - timedelta(days=400))
    ledger.refresh()
    assert ledger.statuses() == {"NEW": 2}
    ledger.changed(imported, "OPEN", NOW - timedelta(days=399))
    assert ledger.refresh() == 0
    assert ledger.statuses() == {"NEW": 1, "OPEN": 1}


async def test_the_first_response_is_measured_once_and_each_resolution(ledger: Ledger) -> None:
    created = NOW - timedelta(days=3)
    ticket = ledger.ticket(created)
    answered, solved = created + timedelta(minutes=15), created + timedelta(hours=3)
    ledger.changed(ticket, "OPEN", answered, answered)
    ledger.refresh()
    ledger.changed(ticket, "RESOLVED", solved, answered, solved)
    ledger.refresh()
    assert ledger.measures("response") == {("BASIC", 900.0): 1}, "a bound is part of its bucket"
    assert ledger.measures("resolution") == {("BASIC", 14_400.0): 1}
    ledger.changed(ticket, "OPEN", solved + timedelta(hours=1), answered)
    ledger.refresh()
    again = created + timedelta(days=2)
    ledger.changed(ticket, "RESOLVED", again, answered, again)
    ledger.refresh()
    assert ledger.measures("response") == {("BASIC", 900.0): 1}
    assert ledger.measures("resolution") == {("BASIC", 14_400.0): 1, ("BASIC", 172_800.0): 1}


async def test_the_lag_is_that_of_deadlines_that_passed_and_counted_once(ledger: Ledger) -> None:
    due = NOW - timedelta(hours=2)

    def broken(cycle: int, lag: float, cause: str = "DEADLINE", detected: datetime | None = None) -> None:
        values = (ledger.tenant, ticket, "NEXT_RESPONSE", cycle, due, due, detected or due + timedelta(seconds=lag))
        ledger.connection.execute(BREACH, (*values, cause))

    ticket = ledger.ticket()
    broken(1, 0.04)
    broken(2, 2)
    broken(3, 0, "POLICY_CHANGE")
    ledger.refresh()
    ledger.refresh()
    assert ledger.measures("lag") == {("NEXT_RESPONSE", 0.05): 1, ("NEXT_RESPONSE", 2.5): 1}
    broken(4, 0, detected=datetime.now(UTC))
    ledger.refresh()
    assert sum(ledger.measures("lag").values()) == 2, "what has just been detected may not be all there is yet"


async def test_compliance_is_that_of_the_last_thirty_days(ledger: Ledger) -> None:
    ticket = ledger.ticket()
    for cycle, (state, days) in enumerate([("MET", 1), ("BREACHED", 2), ("MET", 31), ("CANCELLED", 1), ("MET", -1)]):
        due = NOW - timedelta(days=days)
        ledger.connection.execute(CLOCK, (ledger.tenant, ticket, "RESOLUTION", cycle, state, due, due))
    ledger.refresh()
    assert ledger.measures("met") == {("RESOLUTION", math.inf): 1}
    assert ledger.measures("breached") == {("RESOLUTION", math.inf): 1}


def told(support: Support) -> dict[str, dict[tuple[str, ...], float]]:
    """The samples by name and label values (in the order of the labels' names), as a scraper reads them."""
    registry = CollectorRegistry()
    registry.register(support)
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(value for _, value in sorted(sample.labels.items()))] = sample.value
    return found


def row(name: str, label: str, count: int, upto: float = math.inf, total: float = 0.0) -> dict[str, Any]:
    return {"name": name, "label": label, "upto": upto, "count": count, "sum": total}


def test_buckets_are_cumulative_and_end_with_the_count() -> None:
    support = Support()
    support.take([row("response", "BASIC", 2, 60.0, 90.0), row("response", "BASIC", 3, 900.0, 2000.0)])
    samples = told(support)
    buckets = samples["support_response_time_seconds_bucket"]
    counts = [buckets[bound, "BASIC"] for bound in ("60.0", "300.0", "900.0", "+Inf")]
    assert counts == [2, 2, 5, 5]
    assert samples["support_response_time_seconds_count"]["BASIC",] == 5
    assert samples["support_response_time_seconds_sum"]["BASIC",] == 2090.0


def test_a_ratio_is_met_of_all_and_no_number_without_any() -> None:
    support = Support()
    support.take([])
    assert all(map(math.isnan, told(support)["support_sla_compliance_ratio"].values()))
    support.take([row("met", "RESOLUTION", 3), row("breached", "RESOLUTION", 1), row("met", "FIRST_RESPONSE", 2)])
    ratios = told(support)["support_sla_compliance_ratio"]
    assert (ratios["RESOLUTION",], ratios["FIRST_RESPONSE",]) == (0.75, 1.0)
    assert math.isnan(ratios["NEXT_RESPONSE",])
    due = told(support)["support_sla_promises_due"]
    assert due == {("FIRST_RESPONSE",): 2.0, ("NEXT_RESPONSE",): 0.0, ("RESOLUTION",): 4.0}


def test_the_satisfaction_is_the_mean_of_what_was_rated_and_unknown_without() -> None:
    support = Support()
    support.take([])
    assert math.isnan(told(support)["support_satisfaction_score"][()])
    support.take([{"name": "satisfaction", "label": "", "upto": math.inf, "count": 4, "sum": 15.0}])
    assert told(support)["support_satisfaction_score"] == {(): 3.75}
    assert told(support)["support_ratings_given"] == {(): 4.0}


def test_ratings_of_the_last_thirty_days_are_counted(ledger: Ledger) -> None:
    ticket = ledger.ticket()
    counted = "select count, sum from all_measures() where name = 'satisfaction'"
    before = ledger.connection.execute(counted).fetchone()
    for resolution, (score, age) in enumerate(((5, 1), (2, 29), (1, 31)), start=1):
        ledger.connection.execute(
            RATING, (ledger.tenant, ticket, resolution, score, datetime.now(UTC) - timedelta(days=age))
        )
    after = ledger.connection.execute(counted).fetchone()
    assert before
    assert after == (before[0] + 2, before[1] + 7)


def test_series_begin_at_nought_once_anything_is_known() -> None:
    support = Support()
    assert told(support) == {}, "a counter at nought after a restart would look like one that began again"
    support.take([])
    samples = told(support)
    assert samples["support_response_time_seconds_count"] == {(tier.value,): 0.0 for tier in Tier}
    assert samples["support_sla_detection_lag_seconds_bucket"]["RESOLUTION", "+Inf"] == 0.0


async def test_the_scrape_has_the_guides_names(api: Front) -> None:
    async with asyncio.timeout(20):
        while True:
            text = (await api.call(None, "GET", "/metrics")).text
            if {family.name for family in text_string_to_metric_families(text)} >= NAMES:
                break
            await asyncio.sleep(0.1)
    assert "support_tickets_total " in text
    assert "_created" not in text


async def test_replicas_that_count_at_once_tell_the_same(playground: Front) -> None:
    body = {"customerEmail": "customer@example.com", "subject": "No dashboard", "description": "It answers 403."}
    engine = playground.app.state.services.engine
    replicas = [make_refresher(engine, CollectorRegistry(), 1.0) for _ in range(2)]

    async def totals() -> list[float]:
        async with asyncio.timeout(30):
            await asyncio.gather(*(replica.round() for replica in replicas))
            for replica in replicas:
                await replica.round()
        return [told(replica.support)["support_tickets_total"][()] for replica in replicas]

    before = await totals()
    await playground.created("agent", "/api/tickets", body)
    after = await totals()
    assert before[0] == before[1]
    assert after == [before[0] + 1] * 2
