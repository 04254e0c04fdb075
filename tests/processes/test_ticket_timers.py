"""The promises of a ticket fire at their instants, once, whatever happens meanwhile."""

from datetime import timedelta

from domain.tickets.commands import ChangeTicket
from domain.tickets.model import Status
from tests.processes.desk import Desk

DAY = timedelta(days=1)
SOON = timedelta(seconds=1)


async def test_the_customer_is_reminded_once_after_three_days_of_silence(desk: Desk) -> None:
    ticket = await desk.ticket(Status.PENDING_CUSTOMER)
    since = (await ticket.state()).status_since
    await ticket.pass_time(days=2, hours=23, minutes=50)
    await ticket.expect_notice("customer_reminder", times=0)
    await ticket.pass_time(minutes=10)
    await ticket.expect_notice("customer_reminder")
    assert (await ticket.ledger())["CUSTOMER_REMINDER", 1] == ("FIRED", since + 3 * DAY, since + 3 * DAY)
    await ticket.pass_time(days=3)
    await ticket.expect_notice("customer_reminder")
    assert (await ticket.state()).status is Status.PENDING_CUSTOMER


async def test_silence_resolves_seven_days_after_the_reminder_and_closes_after_the_grace(desk: Desk) -> None:
    ticket = await desk.ticket(Status.PENDING_CUSTOMER)
    since = (await ticket.state()).status_since
    await ticket.pass_time(days=10)
    state = await ticket.state()
    assert (state.status, state.resolved_at) == (Status.RESOLVED, since + 10 * DAY)
    assert await ticket.pass_time(days=7, minutes=1) is False
    ended = await ticket.handle.result()
    assert (ended["state"]["status"], (await ticket.process())["final"]) == ("CLOSED", True)
    assert await ticket.ledger() == {
        ("CUSTOMER_REMINDER", 1): ("FIRED", since + 3 * DAY, since + 3 * DAY),
        ("AUTO_RESOLVE", 1): ("FIRED", since + 10 * DAY, since + 10 * DAY),
        ("AUTO_CLOSE", 1): ("FIRED", since + 17 * DAY, since + 17 * DAY),
    }
    assert await ticket.notices() == ["customer_reminder", "ticket_resolved", "ticket_closed"]
    row = await ticket.row()
    assert (row["closed_at"], row["next_deadline_at"]) == (since + 17 * DAY, None)


async def test_each_timer_is_decided_at_its_instant(desk: Desk) -> None:
    ticket = await desk.ticket(Status.PENDING_CUSTOMER)
    since = (await ticket.state()).status_since
    await ticket.pass_time(days=17, minutes=1)
    wakes = [row for row in await ticket.history() if row["command"] == "wake"]
    for row, due in zip(wakes, (3 * DAY, 10 * DAY, 17 * DAY), strict=True):
        assert timedelta(0) <= row["decided_at"] - (since + due) < SOON
        assert row["actor"]["name"] == "Summit"


async def test_a_reply_on_the_third_day_meets_the_reminder(desk: Desk) -> None:
    ticket = await desk.ticket(Status.PENDING_CUSTOMER)
    await ticket.pass_time(days=2, hours=20)
    answered = await ticket.reply()
    assert await ticket.states() == {("CUSTOMER_REMINDER", 1): "MET", ("AUTO_RESOLVE", 1): "MET"}
    assert {settled for _, _, settled in (await ticket.ledger()).values()} == {answered.at}
    await ticket.pass_time(days=30)
    await ticket.expect_notice("customer_reminder", times=0)
    assert (await ticket.state()).status is Status.OPEN


async def test_moving_on_without_the_customer_cancels_the_reminder(desk: Desk) -> None:
    ticket = await desk.ticket(Status.PENDING_CUSTOMER)
    await ticket.pass_time(days=1)
    moved = await ticket.move(Status.IN_PROGRESS)
    ledger = await ticket.ledger()
    assert {state for state, _, _ in ledger.values()} == {"CANCELLED"}
    assert {settled for _, _, settled in ledger.values()} == {moved.at}


async def test_a_second_wait_has_promises_of_its_own(desk: Desk) -> None:
    ticket = await desk.ticket(Status.PENDING_CUSTOMER)
    await ticket.pass_time(days=1)
    await ticket.reply()
    await ticket.move(Status.PENDING_CUSTOMER)
    await ticket.pass_time(days=3)
    assert await ticket.states() == {
        ("CUSTOMER_REMINDER", 1): "MET",
        ("AUTO_RESOLVE", 1): "MET",
        ("CUSTOMER_REMINDER", 2): "FIRED",
        ("AUTO_RESOLVE", 2): "ARMED",
    }


async def test_a_reply_within_the_grace_reopens_and_cancels_the_closing(desk: Desk) -> None:
    ticket = await desk.ticket(Status.RESOLVED)
    await ticket.pass_time(days=6, hours=23)
    await ticket.reply()
    assert await ticket.states() == {("AUTO_CLOSE", 1): "CANCELLED"}
    await ticket.pass_time(days=2)
    state = await ticket.state()
    assert (state.status, state.reopens) == (Status.OPEN, 1)


async def test_a_shorter_policy_moves_the_reminder_at_the_next_wake(desk: Desk) -> None:
    ticket = await desk.ticket(Status.PENDING_CUSTOMER)
    since = (await ticket.state()).status_since
    await desk.set_policy(remind_after_minutes=60)
    await ticket.wake()
    assert (await ticket.snapshot()).wake_at == since + timedelta(hours=1)
    assert (await ticket.ledger())["CUSTOMER_REMINDER", 1] == ("ARMED", since + timedelta(hours=1), None)
    await ticket.pass_time(hours=1)
    await ticket.expect_notice("customer_reminder")


async def test_a_longer_policy_is_read_when_the_old_timer_fires(desk: Desk) -> None:
    ticket = await desk.ticket(Status.PENDING_CUSTOMER)
    since = (await ticket.state()).status_since
    await desk.set_policy(remind_after_minutes=5 * 24 * 60)
    await ticket.pass_time(days=3)
    await ticket.expect_notice("customer_reminder", times=0)
    assert (await ticket.snapshot()).wake_at == since + 5 * DAY
    await ticket.pass_time(days=2)
    await ticket.expect_notice("customer_reminder")


async def test_a_promise_turned_off_is_cancelled(desk: Desk) -> None:
    ticket = await desk.ticket(Status.PENDING_CUSTOMER)
    await desk.set_policy(remind_after_minutes=0, resolve_after_minutes=0)
    await ticket.wake()
    assert set((await ticket.states()).values()) == {"CANCELLED"}
    assert (await ticket.snapshot()).wake_at is None


async def test_a_wake_with_nothing_to_do_writes_nothing(desk: Desk) -> None:
    ticket = await desk.ticket(Status.PENDING_CUSTOMER)
    before = await ticket.history(), await ticket.ledger(), await ticket.row()
    for _ in range(3):
        await ticket.wake()
    assert (await ticket.history(), await ticket.ledger(), await ticket.row()) == before


async def test_a_new_assignee_owes_the_promises(desk: Desk) -> None:
    ticket = await desk.ticket(Status.PENDING_CUSTOMER)
    lead = desk.people["lead"].id
    await ticket.send(ChangeTicket(assignee_id=lead))
    owners = await desk.stage.rows("select distinct owner_id from deadlines where process_id = %s", ticket.id)
    assert owners == [{"owner_id": lead}]
