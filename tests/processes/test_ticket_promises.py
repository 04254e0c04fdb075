"""What is promised about time, on real servers: warned, broken, paged and credited at its instants, once, whoever was away."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from db.decisions import Database
from domain.tickets.commands import AdjustClock, ClockAction
from domain.tickets.model import Severity, Status
from tests.processes.desk import Backstage, Desk, OneTicket, deserted

HOUR = timedelta(hours=1)
SOON = timedelta(seconds=2)


async def clocks(ticket: OneTicket) -> dict[str, dict[str, Any]]:
    """The ticket's rows of clocks, by kind and cycle."""
    rows = await ticket.desk.stage.rows("select * from sla_clocks where ticket_id = %s", ticket.id)
    return {f"{row['kind']} {row['cycle']}": row for row in rows}


async def breaches(ticket: OneTicket) -> dict[str, dict[str, Any]]:
    """The ticket's breaches, by kind."""
    rows = await ticket.desk.stage.rows("select * from sla_breaches where ticket_id = %s", ticket.id)
    return {row["kind"]: row for row in rows}


async def rungs(ticket: OneTicket) -> list[tuple[str, str | None, datetime]]:
    """What fired, from the history: rule, clock, instant."""
    entries = [
        e for row in await ticket.history() for e in (row["changes"].get("escalations") or {"after": []})["after"]
    ]
    return [(entry["rule"], entry["clock"], datetime.fromisoformat(entry["at"])) for entry in entries]


async def test_a_premium_sev1_ticket_left_alone(promising: Desk) -> None:
    await promising.account(monthly_fee=1000)
    ticket = await promising.ticket(Status.NEW, severity=Severity.SEV1)
    start = (await ticket.state()).created_at
    await ticket.pass_time(hours=29)
    percents = (("Warn the assignee at 50 %", 0.5), ("Warn the team lead at 75 %", 0.75), ("Warn on-call at 90 %", 0.9))
    ladder = (*percents, ("Breach to the managers", 1.0))
    assert sorted(await rungs(ticket), key=lambda rung: rung[2]) == sorted(
        [
            ("Page engineering for PREMIUM SEV1 and SEV2", None, start),
            *((rule, "FIRST_RESPONSE", start + share * HOUR / 4) for rule, share in ladder),
            *((rule, "RESOLUTION", start + share * 4 * HOUR) for rule, share in ladder),
        ],
        key=lambda rung: rung[2],
    )
    broken = await breaches(ticket)
    assert {kind: row["deadline_at"] - start for kind, row in broken.items()} == {
        "FIRST_RESPONSE": HOUR / 4,
        "RESOLUTION": 4 * HOUR,
    }
    for row in broken.values():
        assert row["breached_at"] == row["deadline_at"]
        assert timedelta(0) <= row["detected_at"] - row["breached_at"] < SOON
    proposals = await promising.stage.rows(
        "select p.*, b.kind from sla_credit_proposals p join sla_breaches b on b.id = p.breach_id where b.ticket_id = %s"
        " order by proposed_at",
        ticket.id,
    )
    assert [(row["kind"], str(row["amount"]), row["proposed_at"] - start) for row in proposals] == [
        ("FIRST_RESPONSE", "50.000", HOUR / 4),
        ("RESOLUTION", "50.000", 4 * HOUR),
        ("RESOLUTION", "100.000", 8 * HOUR),
        ("RESOLUTION", "250.000", 28 * HOUR),
    ]
    templates = await ticket.notices()
    assert sorted(templates) == sorted(["page", *["sla_warning"] * 6, *["sla_breached"] * 2, *["credit_proposed"] * 4])
    events = await promising.stage.rows("select type from events where entity_id = %s", ticket.id)
    assert [row["type"] for row in events].count("ticket.sla_breached") == 2
    assert {key: state for key, state in (await ticket.states()).items() if key[0] not in ("ESCALATION", "CREDIT")} == {
        ("FIRST_RESPONSE", 1): "MISSED",
        ("RESOLUTION", 1): "MISSED",
    }
    row = await ticket.row()
    assert (row["sla_standing"], row["overdue_since"]) == ("breached", start + HOUR / 4)
    await ticket.expect_gapless_history()


async def test_each_rung_was_decided_at_its_instant(promising: Desk) -> None:
    ticket = await promising.ticket(Status.NEW, severity=Severity.SEV1, sla_tier="PREMIUM")
    await ticket.pass_time(hours=5)
    for row in await ticket.history():
        for entry in (row["changes"].get("escalations") or {"after": []})["after"]:
            assert timedelta(0) <= row["decided_at"] - datetime.fromisoformat(entry["at"]) < SOON
            assert entry["noted"] == []


async def test_a_reply_in_time_keeps_the_first_response_and_stops_its_warnings(promising: Desk) -> None:
    ticket = await promising.ticket(severity=Severity.SEV2, sla_tier="PREMIUM")
    await ticket.pass_time(minutes=20)
    answered = await ticket.reply(by="agent")
    await ticket.pass_time(hours=2)
    found = await clocks(ticket)
    assert (found["FIRST_RESPONSE 1"]["state"], found["FIRST_RESPONSE 1"]["met_at"]) == ("MET", answered.at)
    assert (await ticket.ledger())["FIRST_RESPONSE", 1][0] == "MET"
    assert await breaches(ticket) == {}
    assert [clock for _, clock, _ in await rungs(ticket)] == [None]


async def test_waiting_for_the_customer_holds_the_resolution(promising: Desk) -> None:
    ticket = await promising.ticket(severity=Severity.SEV1, sla_tier="PREMIUM")
    start = (await ticket.state()).created_at
    await ticket.reply(by="agent")
    await ticket.pass_time(hours=1)
    paused = await ticket.move(Status.PENDING_CUSTOMER)
    assert (await ticket.ledger())["RESOLUTION", 1][0] == "PAUSED"
    assert (await ticket.row())["sla_standing"] == "paused"
    await ticket.pass_time(hours=10)
    assert (await ticket.states())["ESCALATION", 1] == "CANCELLED"
    resumed = await ticket.reply()
    state, due, _ = (await ticket.ledger())["ESCALATION", 1]
    assert (state, due) == ("ARMED", (await ticket.snapshot()).wake_at)
    clock = (await clocks(ticket))["RESOLUTION 1"]
    assert clock["deadline_at"] == start + 4 * HOUR + (resumed.at - paused.at)
    assert [(run["since"][:19], run["until"][:19]) for run in clock["runs"]] == [
        (start.isoformat()[:19], paused.at.isoformat()[:19])
    ]


async def test_a_reopened_ticket_goes_on_with_what_was_left_of_its_ledger_row(promising: Desk) -> None:
    ticket = await promising.ticket(severity=Severity.SEV1, sla_tier="PREMIUM")
    await ticket.pass_time(hours=1)
    resolved = await ticket.move(Status.RESOLVED)
    assert (await ticket.ledger())["RESOLUTION", 1][0] == "MET"
    await ticket.pass_time(hours=5)
    reopened = await ticket.reply()
    state, due, settled = (await ticket.ledger())["RESOLUTION", 1]
    start = (await ticket.state()).created_at
    assert (state, due, settled) == ("ARMED", start + 4 * HOUR + (reopened.at - resolved.at), None)


async def test_a_lead_waives_a_promise(promising: Desk) -> None:
    ticket = await promising.ticket(severity=Severity.SEV1, sla_tier="PREMIUM")
    await ticket.send(AdjustClock(kind="RESOLUTION", action=ClockAction.WAIVE, reason="As agreed."), by="lead")
    found = await clocks(ticket)
    assert (found["RESOLUTION 1"]["state"], found["RESOLUTION 1"]["waived"]) == ("CANCELLED", True)
    await ticket.pass_time(hours=5)
    assert set(await breaches(ticket)) == {"FIRST_RESPONSE"}


async def test_a_waived_breach_is_left_alone_and_the_ledger_keeps_when_it_was_due(promising: Desk) -> None:
    await promising.account(monthly_fee=1000)
    ticket = await promising.ticket(severity=Severity.SEV1)
    start = (await ticket.state()).created_at
    await ticket.pass_time(hours=4.5)
    await promising.stage.rows(
        "insert into sla_breach_actions (tenant_id, breach_id, action, reason, actor_id, actor_name)"
        " select tenant_id, id, 'WAIVE', 'As agreed.', %s, 'Lee Lead' from sla_breaches where ticket_id = %s",
        *(promising.people["lead"].id, ticket.id),
    )
    proposals = "select count(*) as n from sla_credit_proposals where tenant_id = %s"
    before = await promising.stage.rows(proposals, promising.tenant_id)
    await ticket.wake()
    assert all(row["waived"] for row in (await clocks(ticket)).values())
    await ticket.pass_time(hours=30)
    assert await promising.stage.rows(proposals, promising.tenant_id) == before
    ledger = await ticket.ledger()
    assert not [key for key, row in ledger.items() if row[0] == "ARMED" and key[0] in ("ESCALATION", "CREDIT")]
    answered = start + HOUR / 10
    await ticket.reply(by="lead", occurred_at=answered, reason="It was answered by phone.")
    assert (await ticket.ledger())["FIRST_RESPONSE", 1] == ("MET", start + HOUR / 4, answered)


async def test_edits_of_the_policy_are_seen_at_the_next_decision(promising: Desk) -> None:
    ticket = await promising.ticket(severity=Severity.SEV1, sla_tier="PREMIUM")
    start = (await ticket.state()).created_at
    closed = start.date() - timedelta(days=1), start.date(), start.date() + timedelta(days=1)
    await promising.stage.rows(
        "with calendar as (update sla_calendars set holidays = (select jsonb_agg(jsonb_build_object('date', d, 'windows',"
        " '[]'::jsonb)) from unnest(%s::date[]) d) where tenant_id = %s and name = 'Round the clock')"
        " update tenants set sla_revision = sla_revision + 1 where id = %s",
        *(list(closed), promising.tenant_id, promising.tenant_id),
    )
    await ticket.wake()
    deadline = (await clocks(ticket))["FIRST_RESPONSE 1"]["deadline_at"]
    assert deadline.date() == start.date() + timedelta(days=2)


COUNT = 300


async def test_three_hundred_deadlines_pass_while_no_worker_is_there(stage: Backstage) -> None:
    """Each is recorded with its own instant, and each ladder fires its highest rung alone."""
    async with deserted(stage.servers, stage.environment) as quiet:
        desk = await quiet.desk(promises=True)
        some = asyncio.Semaphore(10)

        async def create() -> OneTicket:
            async with some:
                return await desk.ticket(severity=Severity.SEV2, sla_tier="PREMIUM")

        async with quiet.worker(graceful_shutdown_timeout=timedelta(0)):
            tickets = await asyncio.gather(*(create() for _ in range(COUNT)))
        ids = [ticket.id for ticket in tickets]
        # The worker that comes back finds it two hours later; its timers would fire at once, here a signal does.
        later = Database(quiet.database.pool, lambda: datetime.now(UTC) + 2 * HOUR)
        async with replace(quiet, database=later).worker(graceful_shutdown_timeout=timedelta(0)):
            await asyncio.gather(*(ticket.wake() for ticket in tickets))
        late = await quiet.rows(
            "select b.*, c.started_at from sla_breaches b join sla_clocks c using (ticket_id, kind, cycle)"
            " where b.ticket_id = any(%s)",
            ids,
        )
        assert {row["breached_at"] - row["started_at"] for row in late} == {HOUR}
        assert len(late) == COUNT
        assert all(HOUR <= row["detected_at"] - row["breached_at"] < 2 * HOUR for row in late)
        told = await quiet.rows(
            "select process_id, template from notifications where process_id = any(%s) and template like 'sla%%'", ids
        )
        assert sorted(row["process_id"] for row in told) == sorted(ids)
        assert {row["template"] for row in told} == {"sla_breached"}
