"""Mail: one message per row, whatever dies, and nobody waits for somebody else's broken mailbox."""

import uuid
from dataclasses import replace
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

import pytest

from activities.notifications.facts import Sites
from tests.notifications.mailroom import Mailroom, fresh_address, subjects


def text_of(mail: EmailMessage) -> str:
    """The plain text of a mail."""
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


async def test_each_row_becomes_one_mail_with_its_own_fixed_id(room: Mailroom) -> None:
    posted = [await room.post() for _ in range(20)]
    assert await room.dispatcher.drain() == 20
    assert await room.dispatcher.drain() == 0
    ids = sorted(str(mail["Message-ID"]) for mail in room.mail.taken)
    assert ids == sorted(f"<{row}@acme-support.example>" for row in posted)


async def test_a_mail_about_a_ticket_names_it_and_joins_its_conversation(room: Mailroom) -> None:
    ticket = await room.ticket("Printer on fire")
    comment = await room.comment(ticket, "Have you tried\nwater?")
    await room.post("ticket_reply", "casey@shop.example", ticket=ticket, commentId=comment)
    await room.post("ticket_closed", "casey@shop.example", ticket=ticket)
    await room.dispatcher.drain()
    reply, closed = room.mail.taken
    assert subjects([reply, closed])[0].endswith("] Printer on fire")
    assert reply["Subject"] == closed["Subject"]
    assert reply["References"] == closed["References"] == f"<ticket.{ticket}@acme-support.example>"
    assert reply["In-Reply-To"] == reply["References"]
    assert (reply["Auto-Submitted"], closed["Auto-Submitted"]) == (None, "auto-generated")
    assert parsedate_to_datetime(reply["Date"]).tzinfo is not None
    assert str(reply["From"]) == "Acme Support <support@acme-support.example>"
    assert text_of(reply).startswith("Have you tried\nwater?\n\nAlex Agent\n")
    assert f"https://help.shop.example/tickets/{ticket}" in text_of(reply)
    html = reply.get_body(("html",))
    assert html is not None
    assert "Have you tried" in html.get_content()


async def test_what_is_written_in_a_ticket_makes_neither_headers_nor_markup(room: Mailroom) -> None:
    ticket = await room.ticket("Hello\r\nBcc: everybody@shop.example <b>")
    comment = await room.comment(ticket, "<script>alert(1)</script>")
    await room.post("ticket_reply", "casey@shop.example", ticket=ticket, commentId=comment)
    await room.dispatcher.drain()
    [mail] = room.mail.taken
    assert mail["Bcc"] is None
    assert "Hello Bcc: everybody" in str(mail["Subject"])
    html = mail.get_body(("html",))
    assert html is not None
    assert "<script>" not in html.get_content()


async def test_d7_a_crash_between_sending_and_noting_sends_again_under_the_same_id(room: Mailroom) -> None:
    row = await room.post()
    [lane] = [each for each in room.dispatcher.lanes if each.name == "outbox"]
    [item] = await lane.lease([], 5)
    await lane.courier.deliver(item)  # type: ignore[attr-defined]
    assert await room.dispatcher.drain() == 0
    await room.rows("update notifications set leased_until = now() - interval '1 s' where id = %(id)s", id=row)
    assert await room.dispatcher.drain() == 1
    assert [mail["Message-ID"] for mail in room.mail.taken] == [f"<{row}@acme-support.example>"] * 2


async def test_d8_one_broken_mailbox_is_given_up_in_the_end_and_the_others_get_their_mail(room: Mailroom) -> None:
    broken = fresh_address()
    room.mail.judge = lambda address: "451 Try later" if address == broken else None
    row = await room.post(recipient=broken)
    waiting = await room.post(recipient=broken)
    others = [await room.post() for _ in range(5)]
    await room.dispatcher.drain()
    assert len(room.mail.taken) == len(others)
    for attempt in range(1, 12):
        found = await room.row(row)
        assert (found["attempts"], found["delivered_at"]) == (attempt, None)
        assert (found["dead_at"] is None) is (attempt < 11)
        await room.due_now(row)
        await room.dispatcher.drain()
    dead = await room.row(row)
    assert dead["last_error"] == "The mail server refuses the recipient (451)."
    assert (await room.row(waiting))["dead_at"] is None
    assert len(room.mail.taken) == len(others)


async def test_a_failed_attempt_waits_before_the_next(room: Mailroom) -> None:
    room.mail.judge = lambda _: "451 Try later"
    row = await room.post()
    await room.dispatcher.drain()
    assert await room.dispatcher.drain() == 0
    [wait] = await room.rows(
        "select extract(epoch from not_before - now()) as s from notifications where id = %(id)s", id=row
    )
    assert 0 < wait["s"] <= 5.5


async def test_a_mailbox_that_does_not_exist_is_given_up_at_once(room: Mailroom) -> None:
    room.mail.judge = lambda _: "550 No such user"
    row = await room.post()
    await room.dispatcher.drain()
    found = await room.row(row)
    assert (found["attempts"], found["dead_at"] is not None) == (1, True)


async def test_what_cannot_be_sent_is_given_up_with_its_reason(room: Mailroom) -> None:
    ticket = await room.ticket()
    secret = await room.comment(ticket, "between us", internal=True)
    posted = {
        await room.post("no_such_template"): "There is no template 'no_such_template'.",
        await room.post("ticket_reply"): "The template 'ticket_reply' cannot be filled (number, subject, comment).",
        await room.post("ticket_reply", ticket=ticket, commentId=secret): "The comment is for the staff only.",
        await room.post(recipient="nobody"): "The recipient is neither a user, an address, a role nor a team.",
        await room.post(recipient=str(uuid.uuid4())): "The recipient is no active user.",
        await room.post(recipient="a@b@c d"): "The address cannot be written to.",
        await room.post(channel="WEBHOOK"): "Webhooks are told of events, not of notices.",
    }
    await room.dispatcher.drain()
    for row, reason in posted.items():
        found = await room.row(row)
        assert (found["last_error"], found["dead_at"] is not None) == (reason, True)
    assert all("did not reach" in subject for subject in subjects(room.mail.taken))


async def test_what_sets_a_password_leaves_the_database_with_the_mail(room: Mailroom) -> None:
    row = await room.post(token="very-secret")
    await room.dispatcher.drain()
    assert "https://help.shop.example/set-password#very-secret" in text_of(room.mail.taken[0])
    assert "token" not in (await room.row(row))["payload"]


async def test_without_a_portal_mail_and_chat_hold_no_links_to_pages_that_nobody_serves(
    room: Mailroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    [lane] = [each for each in room.dispatcher.lanes if each.name == "outbox"]
    courier = lane.courier  # type: ignore[attr-defined]
    monkeypatch.setattr(lane, "courier", replace(courier, sites=Sites("https://api.shop.example", None)))
    ticket = await room.ticket()
    chatter, _ = await room.person(preferences={"slack_url": room.receiver.url("/bare")})
    await room.post("ticket_resolved", "casey@shop.example", ticket=ticket)
    await room.post("escalated", chatter, "SLACK", ticket=ticket, rule="R")
    await room.post(token="very-secret")
    await room.dispatcher.drain()
    resolved, invitation = sorted(map(text_of, room.mail.taken), reverse=True)
    assert f"POST https://api.shop.example/api/tickets/{ticket}/comments" in resolved
    assert "https://api.shop.example/set-password#very-secret" in invitation
    assert "POST https://api.shop.example/api/auth/password" in invitation
    [said] = room.receiver.at("/bare")
    for written in (resolved, said.json["text"]):
        assert "/tickets/" not in written.replace(f"/api/tickets/{ticket}/comments", "")


async def test_a_repeat_of_a_rule_is_told_apart_from_the_first(room: Mailroom) -> None:
    ticket, rule = await room.ticket(), {"rule": "R", "number": 1}
    await room.post("escalated", "lead@shop.example", ticket=ticket, **rule, times=1)
    await room.post("escalated", "lead@shop.example", ticket=ticket, **rule, times=2)
    await room.dispatcher.drain()
    assert sorted("reminder 1" in subject for subject in subjects(room.mail.taken)) == [False, True]


async def test_d7_a_repeated_notification_row_is_refused_by_its_key(room: Mailroom) -> None:
    ticket = await room.ticket()
    values = {"ticket": ticket, "tenant": room.seed.tenant_id}
    insert = (
        "insert into notifications (id, tenant_id, process_id, revision, rung, template, recipient, channel, payload)"
        " values (gen_random_uuid(), %(tenant)s, %(ticket)s, 1, 'R', 'ticket_closed', 'a@b.example', 'EMAIL', '{}')"
        " on conflict do nothing returning id"
    )
    assert len(await room.rows(insert, **values)) == 1
    assert await room.rows(insert, **values) == []


async def test_a_breach_tells_its_clock_and_its_deadline(room: Mailroom) -> None:
    ticket = await room.ticket("No dashboard")
    facts = {"clock": "FIRST_RESPONSE", "cycle": 1, "deadlineAt": "2026-03-01T09:00:00Z", "cause": "DEADLINE"}
    await room.post("sla_breached", str(room.seed.users["lead"]), ticket=ticket, **facts)
    await room.dispatcher.drain()
    [mail] = room.mail.taken
    assert str(mail["Subject"]).endswith("] First response breached: No dashboard")
    assert "is breached: the deadline was 2026-03-01 09:00 UTC." in text_of(mail)
