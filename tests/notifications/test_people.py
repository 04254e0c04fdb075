"""Whom a notice reaches, on which channels, and when."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from activities.notifications import fanout
from db import notifications
from db.engine import make_engine, tenant_transaction
from tests.api.front import settings_for
from tests.notifications.mailroom import Mailroom, subjects

ALWAYS = {"time_zone": "UTC", "starts": "00:00:00", "ends": "23:59:59.999999"}
"""Quiet hours that hold at whatever hour the tests run, but for the last microsecond of the day."""


async def told(room: Mailroom, parent: UUID) -> set[tuple[str, str]]:
    """Who was told of a row, on which channel."""
    copies = await room.rows("select recipient, channel from notifications where parent_id = %(id)s", id=parent)
    return {(copy["recipient"], copy["channel"]) for copy in copies}


async def team_of(room: Mailroom, *members: str, lead: str | None = None) -> str:
    """A team."""
    [team] = await room.rows(
        "insert into teams (tenant_id, name, lead_id) values (%(tenant)s, 'T', %(lead)s) returning id",
        tenant=room.seed.tenant_id,
        lead=lead,
    )
    for member in members:
        await room.rows(
            "insert into team_members (tenant_id, team_id, user_id) values (%(tenant)s, %(team)s, %(member)s)",
            tenant=room.seed.tenant_id,
            team=team["id"],
            member=member,
        )
    return str(team["id"])


async def test_each_member_of_a_team_is_told_as_they_prefer(room: Mailroom) -> None:
    default, address = await room.person()
    reader, _ = await room.person(preferences={"channels": ["IN_APP"]})
    chatter, _ = await room.person(
        preferences={"channels": ["SLACK"], "slack_url": room.receiver.url("/chat"), "of_a_later_release": 1}
    )
    silent, _ = await room.person(preferences={"channels": []})
    gone, _ = await room.person()
    await room.rows("update users set active = false where id = %(id)s", id=gone)
    team = await team_of(room, default, reader, chatter, silent, gone)
    ticket = await room.ticket("Slow & <odd>")
    parent = await room.post("escalated", f"team:{team}", "PREFERRED", ticket=ticket, rule="75 %")
    await room.dispatcher.drain()
    assert await told(room, parent) == {
        (default, "EMAIL"),
        (default, "IN_APP"),
        (reader, "IN_APP"),
        (chatter, "SLACK"),
    }
    assert [mail["To"] for mail in room.mail.taken] == [address]
    [message] = room.receiver.at("/chat")
    assert "Escalated (75 %): Slow &amp; &lt;odd&gt;" in message.json["text"]
    assert f"<https://help.shop.example/tickets/{ticket}>" in message.json["text"]


async def test_somebody_in_two_groups_is_told_once(room: Mailroom) -> None:
    both, address = await room.person()
    one, other = await team_of(room, both), await team_of(room, both)
    ticket = await room.ticket()
    for team in (one, other):
        await room.post("escalated", f"team:{team}", "EMAIL", ticket=ticket, rule="R")
    await room.rows("update notifications set rung = 'ESCALATION/1'")
    await room.dispatcher.drain()
    assert len(room.mail.to(address)) == 1


async def test_a_crash_in_the_middle_of_a_fan_out_tells_nobody_twice(room: Mailroom, monkeypatch: Any) -> None:
    monkeypatch.setattr(fanout, "PAGE", 2)
    people = [await room.person() for _ in range(5)]
    team = await team_of(room, *(person for person, _ in people))
    parent = await room.post("page", f"team:{team}", "EMAIL", rule="R", number=1, severity="SEV1", priority="LOW")
    [lane] = [each for each in room.dispatcher.lanes if each.name == "outbox"]
    [item] = await lane.lease([], 5)
    await lane.handle(item)
    assert len(await told(room, parent)) == 2
    await lane.handle(item)  # another dispatcher, which had leased the same row before
    assert len(await told(room, parent)) == 2
    await room.dispatcher.drain()
    assert await told(room, parent) == {(person, "EMAIL") for person, _ in people}
    assert (await room.row(parent))["delivered_at"] is not None


async def test_a_lead_who_left_is_represented_by_the_leads_and_they_by_the_administrators(room: Mailroom) -> None:
    chief, _ = await room.person("LEAD")
    team, bare = await team_of(room, lead=chief), await team_of(room)
    leads = {str(room.seed.users["lead"]), chief}

    async def reached(recipient: str) -> set[str]:
        parent = await room.post("page", recipient, "IN_APP")
        await room.dispatcher.drain()
        return {person for person, _ in await told(room, parent)}

    assert await reached(f"lead:{team}") == {chief}
    assert await reached(f"oncall:{team}") == {chief}
    assert leads <= await reached(f"lead:{bare}")
    assert await reached(f"team:{bare}") == await reached("role:LEAD") == await reached("oncall:")
    await room.rows("update users set active = false where role = 'LEAD'")
    try:
        admins = {str(room.seed.users["admin"])}
        assert await reached(f"lead:{team}") == await reached("lead:") == await reached("role:LEAD") == admins
    finally:
        await room.rows("update users set active = true where role = 'LEAD'")


async def test_an_escalation_to_somebody_who_left_is_told_to_whoever_leads(room: Mailroom) -> None:
    chief, address = await room.person("LEAD")
    gone, _ = await room.person()
    await room.rows("update users set active = false where id = %(id)s", id=gone)
    led, leaderless = await room.ticket(), await room.ticket()
    team = await team_of(room, lead=chief)
    await room.rows("update support_tickets set team_id = %(team)s where id = %(id)s", team=team, id=led)

    async def reached(template: str, ticket: UUID) -> set[str]:
        parent = await room.post(template, gone, "PREFERRED", ticket=ticket, rule="R")
        await room.dispatcher.drain()
        return {person for person, _ in await told(room, parent)}

    assert await reached("escalated", led) == await reached("page", led) == {chief}
    assert len(room.mail.to(address)) == 2
    assert {str(room.seed.users["lead"]), chief} <= await reached("sla_warning", leaderless)
    await room.rows("update users set active = false where role = 'LEAD'")
    try:
        assert await reached("sla_breached", led) == {str(room.seed.users["admin"])}
    finally:
        await room.rows("update users set active = true where role = 'LEAD'")
    assert await reached("ticket_assigned", led) == set()


async def test_an_escalation_that_waited_for_somebody_who_left_meanwhile_is_told_to_whoever_leads(
    room: Mailroom,
) -> None:
    chief, address = await room.person("LEAD")
    gone, _ = await room.person(preferences={"quiet_hours": ALWAYS})
    ticket = await room.ticket()
    team = await team_of(room, lead=chief)
    await room.rows("update support_tickets set team_id = %(team)s where id = %(id)s", team=team, id=ticket)
    row = await room.post("escalated", gone, ticket=ticket, rule="R")
    await room.dispatcher.drain()
    await room.rows("update users set active = false where id = %(id)s", id=gone)
    await room.due_now(row)
    await room.dispatcher.drain()
    assert await told(room, row) == {(chief, "EMAIL")}
    assert len(room.mail.to(address)) == 1
    assert (await room.row(row))["dead_at"] is None


async def test_another_tenants_people_are_never_told(room: Mailroom) -> None:
    team = await team_of(room, (await room.person())[0])
    parent = await room.post("page", f"team:{team}", "IN_APP", tenant=room.seed.other_tenant_id)
    await room.dispatcher.drain()
    assert await told(room, parent) == {(str(room.seed.users["otherAdmin"]), "IN_APP")}


async def test_an_inbox_entry_needs_no_delivery(room: Mailroom) -> None:
    row = await room.post("ticket_assigned", str(room.seed.users["agent"]), "IN_APP")
    assert (await room.row(row))["delivered_at"] is not None
    assert await room.dispatcher.drain() == 0


async def test_quiet_hours_hold_mail_of_the_staff_and_nothing_else(room: Mailroom) -> None:
    quiet = {"quiet_hours": ALWAYS, "channels": ["EMAIL", "IN_APP", "SLACK"], "slack_url": room.receiver.url("/quiet")}
    agent, address = await room.person(preferences=quiet)
    customer, customers = await room.person("CUSTOMER", quiet)
    ticket = await room.ticket()
    held = [
        await room.post("customer_replied", agent, channel, ticket=ticket, commentId=await room.comment(ticket, "x"))
        for channel in ("EMAIL", "SLACK")
    ]
    await room.post("ticket_closed", customer, ticket=ticket)
    await room.post("invitation", agent)
    await room.dispatcher.drain()
    assert subjects(room.mail.to(address)) == ["You are invited to Acme Support"]
    assert len(room.mail.to(customers)) == 1
    assert room.receiver.got == []
    for row in held:
        found = await room.row(row)
        assert (found["delivered_at"], found["attempts"]) == (None, 0)
        assert found["not_before"].astimezone(UTC).time().isoformat() == "23:59:59.999999"
    page = await room.post("page", agent, "PREFERRED", ticket=ticket, rule="R")
    await room.dispatcher.drain()
    assert {channel for _, channel in await told(room, page)} == {"EMAIL", "IN_APP", "SLACK"}
    assert len(room.mail.to(address)) == 2
    assert len(room.receiver.at("/quiet")) == 1


async def test_who_lifts_quiet_hours_gets_what_they_held_and_no_failure_earlier(room: Mailroom) -> None:
    engine = make_engine(settings_for(room.database.app))
    agent, address = await room.person(preferences={"quiet_hours": ALWAYS})
    other, _ = await room.person(preferences={"quiet_hours": ALWAYS})
    ticket = await room.ticket()
    refused, held, others = [
        await room.post("escalated", who, ticket=ticket, rule="R") for who in (agent, agent, other)
    ]
    failed = "update notifications set last_error = 'x', attempts = 1 where id = %(id)s"
    await room.rows(failed, id=held)  # failed before the quiet hours began
    await room.dispatcher.drain()
    await room.rows(failed, id=refused)

    async def choose(**wanted: object) -> None:
        await room.rows("update users set preferences = %(p)s where id = %(id)s", p=json.dumps(wanted), id=agent)
        async with tenant_transaction(engine, room.seed.tenant_id) as connection:
            await notifications.free(connection, UUID(agent))
        await room.dispatcher.drain()

    await choose(quiet_hours={**ALWAYS, "time_zone": "Asia/Tokyo"})
    assert room.mail.taken == []
    assert (await room.row(held))["not_before"].astimezone(UTC).hour == 14
    await choose()
    await engine.dispose()
    assert [str(mail["Message-ID"]) for mail in room.mail.to(address)] == [f"<{held}@acme-support.example>"]
    for row in (refused, others):
        assert (await room.row(row))["delivered_at"] is None


async def test_a_flood_of_mail_to_one_of_the_staff_becomes_a_digest(room: Mailroom) -> None:
    agent, address = await room.person()
    tickets = [await room.ticket(f"Ticket number {number}") for number in range(30)]
    rows = [await room.post("escalated", agent, ticket=ticket, rule="R") for ticket in tickets]
    customers = [await room.post("ticket_closed", "casey@shop.example", ticket=ticket) for ticket in tickets]
    await room.dispatcher.drain()
    [digest] = room.mail.to(address)
    assert digest["Subject"] == "30 notifications"
    body = digest.get_body(("plain",))
    assert body is not None
    for number in range(30):
        assert body.get_content().count(f"Ticket number {number}\r\n") == 1
    found = [await room.row(row) for row in rows]
    assert len({row["digest_id"] for row in found}) == 1
    assert all(row["delivered_at"] for row in found)
    assert str(found[0]["digest_id"]) in str(digest["Message-ID"])
    assert len(room.mail.to("casey@shop.example")) == len(customers)


async def test_after_a_handful_further_mail_waits_for_the_minute_to_pass(room: Mailroom) -> None:
    agent, address = await room.person()
    ticket = await room.ticket()
    for _ in range(5):
        await room.post("escalated", agent, ticket=ticket, rule="R")
        await room.dispatcher.drain()
    assert len(room.mail.to(address)) == 5
    for _ in range(7):
        await room.post("escalated", agent, ticket=ticket, rule="R")
        await room.dispatcher.drain()
    assert len(room.mail.to(address)) == 5
    waiting = await room.rows("select not_before from notifications where delivered_at is null")
    assert len(waiting) == 7
    assert all(row["not_before"] > datetime.now(UTC) + timedelta(seconds=30) for row in waiting)
    await room.rows(
        "update notifications set delivered_at = delivered_at - interval '2 min', not_before = now() - interval '1 s'"
    )
    await room.dispatcher.drain()
    assert subjects(room.mail.to(address))[5:] == ["7 notifications"]


async def test_a_digest_that_nobody_takes_dies_with_what_it_tells_of(room: Mailroom) -> None:
    agent, address = await room.person()
    room.mail.judge = lambda to: "550 Gone" if to == address else None
    ticket = await room.ticket()
    rows = [await room.post("escalated", agent, ticket=ticket, rule="R") for _ in range(8)]
    await room.dispatcher.drain()
    assert all([(await room.row(row))["dead_at"] for row in rows])
    assert room.mail.tried == [address]


@pytest.mark.parametrize("recipient", ["role:KING", "team:", "team:x", "lead:x", "", "group:1"])
async def test_a_recipient_that_names_nobody_is_given_up(room: Mailroom, recipient: str) -> None:
    row = await room.post(recipient="a@b.example", channel="PREFERRED")
    await room.rows("update notifications set recipient = %(r)s where id = %(id)s", r=recipient, id=row)
    await room.dispatcher.drain()
    assert (await room.row(row))["dead_at"] is not None


async def test_an_address_prefers_mail(room: Mailroom) -> None:
    await room.post("invitation", "casey@shop.example", "PREFERRED")
    await room.dispatcher.drain()
    assert len(room.mail.to("casey@shop.example")) == 1


async def test_preferences_of_another_release_are_read(room: Mailroom) -> None:
    [row] = await room.rows("select %(p)s::jsonb as p", p=json.dumps({"quiet_hours": None, "gone": 1}))
    assert fanout.wanted({"channel": "PREFERRED", "template": "x"}, row["p"]) == ("EMAIL", "IN_APP")


async def test_a_digest_lists_what_another_release_has_posted(room: Mailroom) -> None:
    agent, address = await room.person()
    for _ in range(7):
        await room.post("of_a_later_release", agent)
    await room.dispatcher.drain()
    [digest] = room.mail.to(address)
    body = digest.get_body(("plain",))
    assert body is not None
    assert body.get_content().count("- Of a later release") == 7
