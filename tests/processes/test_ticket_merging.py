"""D14 to the instant: what becomes of the promises of a ticket that is merged, on real servers."""

from datetime import timedelta

import pytest

from domain.tickets.commands import Merge
from domain.tickets.merging import left_behind
from domain.tickets.model import Severity, Status, Ticket
from tests.processes.desk import Desk


async def test_d14_a_breach_of_the_source_stays_on_record_and_leaves_every_list_of_broken_ones(promising: Desk) -> None:
    await promising.account(monthly_fee=1000)
    source = await promising.ticket(Status.NEW, severity=Severity.SEV1)
    await source.pass_time(minutes=20)
    assert (await source.row())["sla_standing"] == "breached"
    target = await promising.ticket(Status.OPEN, severity=Severity.SEV1)
    await source.send(Merge(into_id=target.id))
    row = await source.row()
    assert (row["sla_standing"], row["overdue_since"], row["merged_into"]) == ("ok", None, target.id)
    clocks = await promising.stage.rows("select kind, state from sla_clocks where ticket_id = %s", source.id)
    assert {clock["kind"]: clock["state"] for clock in clocks} == {
        "FIRST_RESPONSE": "BREACHED",
        "RESOLUTION": "CANCELLED",
    }
    breaches = await promising.stage.rows("select kind from sla_breaches where ticket_id = %s", source.id)
    assert [breach["kind"] for breach in breaches] == ["FIRST_RESPONSE"]
    assert "ARMED" not in (await source.states()).values()


@pytest.mark.parametrize(("minutes", "state", "cause"), [(3, "RUNNING", None), (9, "BREACHED", "POLICY_CHANGE")])
async def test_d15_the_target_is_due_when_the_older_wait_is(
    promising: Desk, minutes: int, state: str, cause: str | None
) -> None:
    await promising.account(monthly_fee=1000)
    source = await promising.ticket(Status.NEW, severity=Severity.SEV1)
    target = await promising.ticket(Status.OPEN, severity=Severity.SEV1)
    since = (await target.state()).created_at - timedelta(minutes=10)
    await target.pass_time(minutes=minutes)
    await source.send(Merge(into_id=target.id))
    left = left_behind(Ticket.model_validate((await source.history())[-1]["snapshot"]["state"]))
    # Each workflow has a clock of its own here, so how much older the source is can only be said.
    await target.send(left.model_copy(update={"first_asked": since}))
    query = (
        "select state, started_at, deadline_at, cause from sla_clocks where ticket_id = %s and kind = 'FIRST_RESPONSE'"
    )
    due = since + timedelta(minutes=15)
    assert await promising.stage.rows(query, target.id) == [
        {"state": state, "started_at": since, "deadline_at": due, "cause": cause}
    ]
    await target.pass_time(minutes=5)
    breaches = await promising.stage.rows("select kind, breached_at from sla_breaches where ticket_id = %s", target.id)
    assert breaches == [{"kind": "FIRST_RESPONSE", "breached_at": due}]
    ledgered, _, settled = (await target.ledger())["FIRST_RESPONSE", 1]
    assert (ledgered, settled) == ("MISSED", due)
    assert (await target.row())["overdue_since"] == due


async def test_a_merge_leaves_a_job_for_what_the_other_ticket_must_hear(desk: Desk) -> None:
    source, target = await desk.ticket(), await desk.ticket()
    await source.send(Merge(into_id=target.id))
    jobs = await desk.stage.rows("select kind, input from jobs where tenant_id = %s", desk.tenant_id)
    assert jobs == [{"kind": "ABSORB", "input": {"source": str(source.id)}}]


async def test_an_imported_ticket_lives_on_from_where_it_stood(desk: Desk) -> None:
    ticket = desk.taken_over(status=Status.PENDING_CUSTOMER)
    await ticket.deliver_creation()
    await ticket.pass_time(days=11)
    assert (await ticket.state()).status is Status.RESOLVED
    assert await ticket.notices() == ["customer_reminder", "ticket_resolved"]


async def test_an_imported_ticket_that_is_over_has_no_workflow_left_and_its_row_is_final(desk: Desk) -> None:
    comment = {"comment_id": desk.tenant_id, "body": "It was the cable", "author_name": "Ada", "author_role": "AGENT"}
    ticket = desk.taken_over(
        status=Status.CLOSED, closed_at="2020-01-03T00:00:00Z", comments=[comment | {"at": "2020-01-02T00:00:00Z"}]
    )
    await ticket.deliver_creation()
    await ticket.handle.result()
    row, process = await ticket.row(), await ticket.process()
    assert (row["status"], process["final"]) == ("CLOSED", True)
    assert row["closed_at"].isoformat() == "2020-01-03T00:00:00+00:00"
    [said] = await desk.stage.rows("select body, author_name from ticket_comments where ticket_id = %s", ticket.id)
    assert said == {"body": "It was the cable", "author_name": "Ada"}
    assert await ticket.notices() == []
