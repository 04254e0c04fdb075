"""An import on a whole installation: what is there afterwards, what is not told to anybody, and what a kill leaves."""

import asyncio
import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.imports.desk import NewDesk, new_desk
from tests.imports.exports import AGENT, at, comment, lines, ticket, zendesk

COUNT = 60


@pytest_asyncio.fixture(loop_scope="session")
async def desk(summit: dict[str, Any]) -> NewDesk:
    """A tenant without tickets."""
    return await new_desk(summit)


@pytest.fixture
def export(tmp_path: Path, desk: NewDesk) -> Path:
    """An export of sixty tickets."""
    return zendesk(tmp_path / "export", desk.slug, COUNT)


async def until_made(desk: NewDesk, count: int) -> None:
    """Wait until so many tickets are there."""
    async with asyncio.timeout(120):
        found = 0
        while found < count:
            await asyncio.sleep(0.02)
            found = await desk.count("support_tickets")


async def test_everything_is_there_and_nobody_is_told(desk: NewDesk, export: Path) -> None:
    begun = datetime.now(UTC)
    code, out, err = await desk.take("zendesk", export)
    assert (code, err) == (0, ""), out
    assert f"{COUNT} tickets made, 0 were there already; new: 2 accounts, 1 teams, 42 people." in out
    assert "tickets a second" in out
    assert await desk.count("support_tickets") == COUNT
    assert await desk.count("ticket_comments") == 3 * COUNT
    for silent in ("notifications", "events", "sla_breaches"):
        assert await desk.count(silent) == 0, silent
    statuses = await desk.rows(
        "select status, count(*) as n from support_tickets where tenant_id = %s group by 1", desk.tenant_id
    )
    assert {row["status"]: row["n"] for row in statuses} == {
        "CLOSED": 30,
        "OPEN": 6,
        "RESOLVED": 6,
        "PENDING_CUSTOMER": 6,
        "NEW": 6,
        "PENDING_INTERNAL": 6,
    }
    clocks = await desk.rows("select started_at, state, kind from sla_clocks where tenant_id = %s", desk.tenant_id)
    assert {row["kind"] for row in clocks} == {"RESOLUTION"}, "each has had its first answer"
    assert min(row["started_at"] for row in clocks) >= begun
    assert {row["state"] for row in clocks} <= {"RUNNING", "PAUSED"}
    armed = await desk.rows("select due_at from deadlines where tenant_id = %s and state = 'ARMED'", desk.tenant_id)
    assert armed
    assert min(row["due_at"] for row in armed) > begun


async def test_a_ticket_is_what_it_was(desk: NewDesk, export: Path) -> None:
    await desk.take("zendesk", export)
    seven = await desk.ticket("zendesk:11")
    assert (seven["status"], seven["priority"], seven["channel"]) == ("OPEN", "MEDIUM", "PORTAL")
    assert (seven["category"], seven["tags"], seven["fields"]) == (
        None,
        ["report", "quarter-3"],
        {"build_number": "v11"},
    )
    assert seven["created_at"].isoformat() == "2024-01-08T20:00:00+00:00"
    assert seven["first_response_at"].isoformat() == "2024-01-08T21:00:00+00:00"
    [team] = await desk.rows("select name from teams where id = %s", seven["team_id"])
    [account] = await desk.rows("select name, tier from customer_accounts where id = %s", seven["account_id"])
    assert (team["name"], account["tier"]) == (f"Support {desk.slug}", "BASIC")
    said = await desk.rows(
        "select author_name, author_role, internal, created_at, author_id from ticket_comments where ticket_id = %s"
        " order by created_at",
        seven["id"],
    )
    assert [(row["author_name"], row["author_role"], row["internal"]) for row in said] == [
        ("Alma Agent", "AGENT", False),
        ("Adam Admin", "AGENT", True),
        ("Customer 12", "CUSTOMER", False),
    ]
    assert all(row["author_id"] for row in said)
    # Who closed a ticket there is known, although that agent cannot sign in here; an open one waits for somebody who can.
    closed = await desk.ticket("zendesk:12")
    [agent] = await desk.rows("select name, active, role from users where id = %s", closed["assignee_id"])
    assert agent == {"name": "Alma Agent", "active": False, "role": "AGENT"}
    assert seven["assignee_id"] is None


async def test_the_staff_find_what_was_imported(desk: NewDesk, export: Path) -> None:
    await desk.take("zendesk", export)
    for words in ("number17", "ref17"):
        found = await desk.get("/api/tickets", q=words)
        assert [each["subject"] for each in found["data"]] == ["Empty report 17"], words
    history = await desk.get(f"/api/tickets/{found['data'][0]['id']}/history")
    assert [(each["command"], each["actor"]["name"]) for each in history["data"]] == [("import", "Import (zendesk)")]


def with_fields_of_the_staff(export: Path) -> Path:
    """Two tickets of one customer, with a field that the portal shows and fields that it does not."""
    titles = [
        {"id": 31, "title": "Build number", "visible_in_portal": True},
        {"id": 32, "title": "Churn risk", "visible_in_portal": False},
    ]
    values = [{"id": 31, "value": "b7"}, {"id": 32, "value": "high"}]
    lines(export / "ticket_fields.json", iter(titles))
    given = {"requester_id": 2, "organization_id": 1, "custom_fields": values, "external_id": "X-1"}
    lines(export / "tickets.json", (ticket(n, **given) for n in (1, 2)))
    return export


async def seen_fields(desk: NewDesk, token: str) -> list[dict[str, Any]]:
    """The fields of all tickets that somebody sees, as the list and as each ticket has them."""
    found = (await desk.seen_with(token, "/api/tickets"))["data"]
    alone = [await desk.seen_with(token, f"/api/tickets/{each['id']}") for each in found]
    return [each["fields"] for each in [*found, *alone]]


async def test_customers_do_not_see_the_fields_of_the_staff(desk: NewDesk, tmp_path: Path) -> None:
    export = with_fields_of_the_staff(zendesk(tmp_path / "export", desk.slug, 1))
    people = {"CUSTOMER": f"c2@oak-{desk.slug}.example", "AGENT": f"eve@{desk.slug}.example"}
    for role, email in people.items():
        code, _, err = await desk.summit("user", "create", desk.slug, email, "Somebody", "--role", role)
        assert code == 0, err
    customer, agent = [await desk.token(email) for email in people.values()]
    assert await seen_fields(desk, customer) == [], "every process has read that nothing is hidden"
    importing = asyncio.create_task(desk.take("zendesk", export))
    while not importing.done():
        assert all(each == {"build_number": "b7"} for each in await seen_fields(desk, customer))
        await asyncio.sleep(0.1)
    code, out, err = await importing
    assert (code, err) == (0, ""), out
    whole = {"build_number": "b7", "churn_risk": "high", "external_id": "X-1"}
    assert await seen_fields(desk, customer) == [{"build_number": "b7"}] * 4
    assert await seen_fields(desk, agent) == [whole] * 4
    assert (await desk.seen_with(customer, "/api/ticket-fields"))["data"] == []
    defined = (await desk.seen_with(agent, "/api/ticket-fields"))["data"]
    assert [(each["key"], each["label"], each["active"], each["customerVisible"]) for each in defined] == [
        ("churn_risk", "Churn risk", False, False),
        ("external_id", "External id", False, False),
    ]
    assert (await desk.seen_with(agent, "/api/tickets", field="churn_risk:high"))["data"], "fields are free as before"
    code, out, _ = await desk.take("zendesk", export)
    assert (code, "2 were there already" in out) == (0, True)
    assert await desk.count("ticket_fields") == 2


async def test_customers_do_not_read_the_note_that_opened_their_ticket(desk: NewDesk, tmp_path: Path) -> None:
    export = zendesk(tmp_path / "export", desk.slug, 1)
    note, said = comment(1, AGENT, 1, "Careful with her.", public=False), comment(2, AGENT, 2, "How is it going?")
    lines(export / "tickets.json", iter([ticket(1, description="Careful with her.", comments=[note, said])]))
    customer = f"c2@oak-{desk.slug}.example"
    await desk.summit("user", "create", desk.slug, customer, "Somebody", "--role", "CUSTOMER")
    code, out, err = await desk.take("zendesk", export)
    assert (code, err) == (0, ""), out
    [found] = (await desk.seen_with(await desk.token(customer), "/api/tickets"))["data"]
    assert found["description"] == "How is it going?"
    for reader, bodies in ((customer, []), (f"admin@{desk.slug}.example", ["Careful with her."])):
        comments = await desk.seen_with(await desk.token(reader), f"/api/tickets/{found['id']}/comments")
        assert [each["body"] for each in comments["data"]] == bodies


async def test_what_a_tenant_has_defined_has_the_last_word(desk: NewDesk, tmp_path: Path) -> None:
    export = with_fields_of_the_staff(zendesk(tmp_path / "export", desk.slug, 1))
    define = (
        "insert into ticket_fields (tenant_id, key, label, type, position, active, customer_visible, deleted_at)"
        " values (%s, %s, 'Its own', 'TEXT', 1, false, %s, %s) returning id"
    )
    await desk.rows(define, desk.tenant_id, "churn_risk", True, None)
    await desk.rows(define, desk.tenant_id, "external_id", True, datetime.now(UTC))
    code, _, err = await desk.take("zendesk", export)
    assert code == 0
    assert err == "Customers see these fields of the staff, as this tenant defines them: churn_risk.\n"
    found = await desk.rows(
        "select key, label, active, customer_visible from ticket_fields where tenant_id = %s and deleted_at is null"
        " order by key",
        desk.tenant_id,
    )
    assert [tuple(row.values()) for row in found] == [
        ("churn_risk", "Its own", False, True),
        ("external_id", "External id", False, False),
    ]


async def test_a_second_run_finds_everything_there(desk: NewDesk, export: Path) -> None:
    await desk.take("zendesk", export)
    code, out, _ = await desk.take("zendesk", export)
    assert code == 0
    assert f"0 tickets made, {COUNT} were there already; new: 0 accounts, 0 teams, 0 people." in out
    assert await desk.count("support_tickets") == COUNT


async def test_two_kills_neither_lose_nor_double_anything(desk: NewDesk, tmp_path: Path) -> None:
    many = 240
    export = zendesk(tmp_path / "export", desk.slug, many)
    for enough in (20, 120):
        process = await desk.start("import", "zendesk", str(export), "--tenant", desk.slug)
        await until_made(desk, enough)
        process.kill()
        await process.wait()
        assert await desk.count("support_tickets") < many
    code, out, err = await desk.take("zendesk", export)
    assert code == 0, err
    assert " 0 were there already" not in out
    assert await desk.count("support_tickets") == many
    assert await desk.count("ticket_comments") == 3 * many
    assert await desk.count("processes") == await desk.count("ticket_history") == many
    assert await desk.count("users") == 43
    assert await desk.count("customer_accounts") == 2


async def test_an_import_waits_for_a_temporal_and_a_worker_that_were_killed(desk: NewDesk, tmp_path: Path) -> None:
    many = 150
    export = zendesk(tmp_path / "export", desk.slug, many)
    importing = asyncio.create_task(desk.take("zendesk", export))
    await until_made(desk, 30)
    stack_file = Path(desk.stack["mailDir"]).parent / "stack.json"
    for name in ("worker", "temporal"):
        os.kill(json.loads(stack_file.read_text())["pids"][name], signal.SIGKILL)
    code, out, err = await importing
    assert code == 0, err
    assert f"{many} tickets made" in out
    assert await desk.count("support_tickets") == many
    assert await desk.count("ticket_comments") == 3 * many


async def test_a_dry_run_writes_nothing(desk: NewDesk, export: Path) -> None:
    code, out, _ = await desk.take("zendesk", export, "--dry-run")
    assert code == 0
    assert "Nothing was written" in out
    for table in ("support_tickets", "customer_accounts", "teams", "processes", "ticket_fields"):
        assert await desk.count(table) == 0
    assert await desk.count("users") == 1


async def test_what_is_refused_is_named_and_the_rest_is_taken(desk: NewDesk, tmp_path: Path) -> None:
    export = zendesk(tmp_path / "export", desk.slug, 3)
    odd = [
        ticket(1),
        ticket(2, status="lost"),
        ticket(3, created_at=at(days=-1), updated_at=at(days=-2)),
        ticket(4),
        ticket(1),
    ]
    lines(export / "tickets.json", iter(odd))
    code, out, err = await desk.take("zendesk", export)
    assert code == 1
    assert "2 tickets made" in out
    refused = [json.loads(line) for line in (tmp_path / "export.refused.jsonl").read_text().splitlines()]
    assert [(each["id"], each["where"], [error["field"] for error in each["errors"]]) for each in refused] == [
        ("2", "tickets.json:2", ["status"]),
        ("3", "tickets.json:3", ["updated_at"]),
        ("1", "tickets.json:5", ["id"]),
    ]
    assert f"3 refused, for the reasons in {tmp_path / 'export.refused.jsonl'}" in err
    lines(export / "tickets.json", iter([ticket(n) for n in range(1, 5)]))
    code, out, _ = await desk.take("zendesk", export)
    assert (code, "2 tickets made, 2 were there already" in out) == (0, True)
    assert not (tmp_path / "export.refused.jsonl").exists()


@pytest.mark.parametrize("status", ["open", "closed"])
async def test_a_conversation_too_long_for_one_command_is_all_there(desk: NewDesk, tmp_path: Path, status: str) -> None:
    export = zendesk(tmp_path / "export", desk.slug, 1)
    said = [comment(n, AGENT, n / 100, f"Part {n}: " + "words and words " * 3_000) for n in range(1, 60)]
    lines(export / "tickets.json", iter([ticket(1, status=status, comments=said, updated_at=at(hours=2))]))
    code, out, err = await desk.take("zendesk", export)
    assert code == 0, out + err
    row = await desk.ticket("zendesk:1")
    [comments] = await desk.rows(
        "select count(*) as n, count(distinct revision) as r, min(length(body)) as least from ticket_comments"
        " where ticket_id = %s",
        row["id"],
    )
    assert (comments["n"], comments["least"] > 40_000) == (59, True)
    assert comments["r"] > 5
    [process] = await desk.rows("select final, revision from processes where id = %s", row["id"])
    assert process == {"final": status == "closed", "revision": comments["r"]}
    assert row["updated_at"].isoformat() == "2024-01-08T11:00:00+00:00"
    code, out, _ = await desk.take("zendesk", export)
    assert (code, "0 tickets made, 1 were there already" in out) == (0, True)
    assert await desk.count("ticket_comments") == 59


async def test_a_tenant_that_is_not_there_is_said(desk: NewDesk, export: Path) -> None:
    code, _, err = await desk.summit("import", "zendesk", str(export), "--tenant", "nobody-here")
    assert (code, err.strip()) == (2, "There is no such tenant.")
