"""An answer that does not arrive: whoever gave it is told, once, with the reason; of other mail nobody is."""

from typing import Any
from uuid import UUID

import pytest

from tests.notifications.mailroom import Mailroom, fresh_address, subjects

ADDRESS = "casey@shop.example"


def refusing(room: Mailroom, address: str = ADDRESS) -> None:
    room.mail.judge = lambda to: "550 No such user" if to == address else None


async def told(room: Mailroom) -> list[dict[str, Any]]:
    """The notices that something did not arrive, before they go to people."""
    return await room.rows(
        "select * from notifications where template = 'answer_undelivered' and channel = 'PREFERRED' order by created_at"
    )


async def answered(room: Mailroom, to: str = ADDRESS, body: str = "It works again.") -> tuple[UUID, UUID]:
    """A ticket with an answer by the demo's agent, and the answer's mail."""
    ticket = await room.ticket()
    row = await room.post("ticket_reply", to, ticket=ticket, commentId=await room.comment(ticket, body))
    return ticket, row


async def test_its_author_is_told_in_the_inbox_and_by_mail(room: Mailroom) -> None:
    refusing(room)
    ticket, row = await answered(room)
    await room.dispatcher.drain()
    [notice] = await told(room)
    agent = str(room.seed.users["agent"])
    assert (notice["recipient"], notice["process_id"]) == (agent, ticket)
    reason = "The mail server refuses the recipient (550)."
    said = {name: notice["payload"][name] for name in ("address", "reason", "own", "notice")}
    assert said == {"address": ADDRESS, "reason": reason, "own": True, "notice": str(row)}
    copies = await room.rows(
        "select channel, recipient, delivered_at is not null as done from notifications"
        " where parent_id = %(id)s order by channel",
        id=notice["id"],
    )
    assert [(each["channel"], each["recipient"], each["done"]) for each in copies] == [
        ("EMAIL", agent, True),
        ("IN_APP", agent, True),
    ]
    [mail] = room.mail.taken
    number = notice["payload"]["number"]
    assert subjects([mail]) == [f"[SUP-{number}] Your answer did not reach {ADDRESS}: {reason}"]
    body = mail.get_body(("plain",))
    assert body is not None
    for line in (f"Your answer on SUP-{number} did not reach {ADDRESS}.", reason, "> It works again."):
        assert line in body.get_content()
    assert f"https://help.shop.example/tickets/{ticket}" in body.get_content()


@pytest.mark.parametrize("how", ["suppressed", "unwritable", "made_up", "failures"])
async def test_however_it_was_given_up(room: Mailroom, how: str) -> None:
    address = {"unwritable": '"quoted local"@example.org', "made_up": "user-3@tickets.invalid"}.get(how, ADDRESS)
    if how == "suppressed":
        await room.rows(
            "insert into mail_suppressions (tenant_id, address, reason) values (%(t)s, %(a)s, 'bounced')",
            t=room.seed.tenant_id,
            a=address,
        )
    _, row = await answered(room, address)
    if how == "failures":
        room.mail.judge = lambda _: "450 Not now"
        await room.rows("update notifications set attempts = 10 where id = %(id)s", id=row)
    await room.dispatcher.drain()
    found = await room.row(row)
    [notice] = await told(room)
    assert found["dead_at"] is not None
    assert (notice["payload"]["address"], notice["payload"]["reason"]) == (address, found["last_error"])


async def test_nobody_is_told_while_it_may_still_arrive(room: Mailroom) -> None:
    room.mail.judge = lambda _: "450 Not now"
    await answered(room)
    await room.dispatcher.drain()
    assert await told(room) == []


async def test_a_repeat_that_fails_is_told_once(room: Mailroom) -> None:
    refusing(room)
    _, row = await answered(room)
    for _ in range(2):
        await room.rows("update notifications set dead_at = null, attempts = 0 where id = %(id)s", id=row)
        await room.due_now(row)
        await room.dispatcher.drain()
    assert len(await told(room)) == 1
    assert len(room.mail.taken) == 1


async def test_each_address_that_it_did_not_reach_is_told(room: Mailroom) -> None:
    refusing(room)
    ticket, first = await answered(room)
    payload = (await room.row(first))["payload"]
    boss = "boss@[192.0.2.1]"
    await room.post("ticket_reply", boss, ticket=ticket, commentId=payload["commentId"])
    arrives = fresh_address()
    await room.post("ticket_reply", arrives, ticket=ticket, commentId=payload["commentId"])
    await room.dispatcher.drain()
    assert {each["payload"]["address"] for each in await told(room)} == {ADDRESS, boss}


async def test_where_its_author_is_gone_the_assignee_hears_of_it_else_who_leads(room: Mailroom) -> None:
    refusing(room)
    gone, _ = await room.person()
    mate, mates = await room.person()
    team = str(next(iter(room.seed.teams.values())))
    ticket, _ = await answered(room)
    await room.rows("update ticket_comments set author_id = %(gone)s where ticket_id = %(t)s", gone=gone, t=ticket)
    await room.rows("update users set active = false where id = %(gone)s", gone=gone)
    await room.rows("update support_tickets set assignee_id = %(mate)s where id = %(t)s", mate=mate, t=ticket)
    await room.dispatcher.drain()
    [notice] = await told(room)
    assert (notice["recipient"], notice["payload"]["own"]) == (mate, False)
    [mail] = room.mail.to(mates)
    assert "The answer did not reach" in str(mail["Subject"])
    await room.rows("delete from notifications")
    await room.rows("update support_tickets set assignee_id = null, team_id = %(team)s", team=team)
    comment = (await room.rows("select id from ticket_comments where ticket_id = %(t)s", t=ticket))[0]["id"]
    await room.post("ticket_reply", ADDRESS, ticket=ticket, commentId=str(comment))
    await room.dispatcher.drain()
    [notice] = await told(room)
    assert notice["recipient"] == f"lead:{team}"


@pytest.mark.parametrize(
    ("template", "payload"),
    [
        ("ticket_received", {}),
        ("ticket_closed", {}),
        ("customer_reminder", {}),
        ("ticket_resolved", {"automatic": True}),
    ],
)
async def test_of_what_nobody_has_answered_nobody_is_told(
    room: Mailroom, template: str, payload: dict[str, Any]
) -> None:
    refusing(room)
    row = await room.post(template, ADDRESS, ticket=await room.ticket(), **payload)
    await room.dispatcher.drain()
    assert (await room.row(row))["dead_at"] is not None
    assert await told(room) == []


async def test_a_resolution_is_told_to_the_assignee_where_nobody_is_known_to_have_resolved_it(room: Mailroom) -> None:
    refusing(room)
    agent, address = await room.person()
    ticket = await room.ticket()
    await room.rows("update support_tickets set assignee_id = %(a)s where id = %(t)s", a=agent, t=ticket)
    await room.post("ticket_resolved", ADDRESS, ticket=ticket, resolution=1)
    await room.dispatcher.drain()
    [mail] = room.mail.to(address)
    assert f"The resolution did not reach {ADDRESS}" in str(mail["Subject"])


async def test_that_such_a_notice_does_not_arrive_is_told_to_nobody(room: Mailroom) -> None:
    room.mail.judge = lambda _: "550 Nobody"
    await answered(room)
    await room.dispatcher.drain()
    assert len(await told(room)) == 1
    dead = await room.rows("select template from notifications where dead_at is not null order by template")
    assert [each["template"] for each in dead] == ["answer_undelivered", "ticket_reply"]


async def test_a_note_to_the_staff_that_does_not_arrive_is_no_answer(room: Mailroom) -> None:
    agent, address = await room.person(preferences={"channels": ["EMAIL"]})
    refusing(room, address)
    ticket = await room.ticket()
    comment = await room.comment(ticket, "Look.", internal=True)
    row = await room.post("mentioned", agent, ticket=ticket, commentId=comment)
    await room.dispatcher.drain()
    assert (await room.row(row))["dead_at"] is not None
    assert await told(room) == []
