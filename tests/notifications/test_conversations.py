"""The conversation that a mail joins, who it is from, and where its answers and bounces go."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import getaddresses
from uuid import UUID

import pytest

from db.engine import make_engine, tenant_transaction
from db.mail_threads import note
from domain.mail.addresses import read_bounce, read_staff_token, read_token, split_address
from notify.channel import Mail
from notify.email import compose
from tests.api.front import settings_for
from tests.notifications.mailroom import Mailroom
from tests.notifications.test_mail import text_of

CASEY = "casey@shop.example"
HOME = "acme-support.example"


async def key(room: Mailroom) -> bytes:
    [row] = await room.rows("select mail_key from tenants where id = %(id)s", id=room.seed.tenant_id)
    return bytes(row["mail_key"])


def chain(mail: EmailMessage) -> list[str]:
    return str(mail["References"]).split()


async def answered(room: Mailroom, ticket: UUID, to: str = CASEY, **how: bool) -> EmailMessage:
    """The mail that an agent's answer becomes."""
    comment = await room.comment(ticket, "Have you tried water?", **how)
    await room.post("ticket_reply", to, ticket=ticket, commentId=comment)
    await room.dispatcher.drain()
    return room.mail.to(to)[-1]


async def test_d24_a_mail_answers_the_customers_last_and_refers_to_the_whole_conversation(room: Mailroom) -> None:
    ticket = await room.ticket("Printer on fire")
    await room.came(ticket, "one@shop.example", CASEY, "Printer on fire", 1)
    await room.came(ticket, "two@else.example", "robin@else.example", "Re: Printer on fire", 2)
    await room.came(ticket, "three@shop.example", CASEY, "RE: [SUP-7] Printer on fire", 3)
    await room.came(ticket, "four@else.example", "robin@else.example", None, 4)
    mail = await answered(room, ticket)
    assert mail["In-Reply-To"] == "<three@shop.example>"
    root = f"<ticket.{ticket}@{HOME}>"
    assert chain(mail) == [
        root,
        "<one@shop.example>",
        "<two@else.example>",
        "<four@else.example>",
        "<three@shop.example>",
    ]
    robin = await answered(room, ticket, "robin@else.example")
    assert robin["In-Reply-To"] == "<four@else.example>"
    assert chain(robin)[0] == root
    stranger = await answered(room, ticket, "kim@else.example")
    assert stranger["In-Reply-To"] == "<four@else.example>"


async def test_the_subject_is_theirs_with_the_number_and_stays_the_same(room: Mailroom) -> None:
    ticket = await room.ticket("Printer, renamed by the desk")
    [row] = await room.rows("select number from support_tickets where id = %(id)s", id=ticket)
    expected = f"[SUP-{row['number']}] Printer on fire"
    first = await answered(room, ticket)
    assert first["Subject"] == f"[SUP-{row['number']}] Printer, renamed by the desk"
    assert first["Thread-Topic"] == "Printer, renamed by the desk"
    for number, subject in enumerate(("Printer on fire", "Re: Printer on fire", f"AW: Re: {expected}")):
        await room.came(ticket, f"{number}@shop.example", CASEY, subject, number)
        mail = await answered(room, ticket)
        assert (mail["Subject"], mail["Thread-Topic"]) == (f"Re: {expected}", "Printer on fire")
    assert mail.keys().index("Thread-Topic") < mail.keys().index("Subject")


async def test_a_long_conversation_has_references_that_every_server_takes(room: Mailroom) -> None:
    ticket = await room.ticket()
    for number in range(40):
        await room.came(ticket, f"{number:03}.{'x' * 150}@shop.example", CASEY, None, number)
    mail = await answered(room, ticket)
    assert len(chain(mail)) == 21
    assert chain(mail)[-1] == mail["In-Reply-To"] == f"<039.{'x' * 150}@shop.example>"
    written = compose(
        Mail("i", "a@b.example", "s", "t", "h", "c@d.example", "", "d.example", tuple("x" * 250 for _ in range(30)))
    )
    assert max(map(len, written.split(b"\r\n"))) < 998


async def test_a_message_id_that_would_be_a_header_is_noted_nowhere(room: Mailroom) -> None:
    ticket = await room.ticket()
    engine = make_engine(settings_for(room.database.app))
    at = datetime(2026, 3, 1, tzinfo=UTC)
    async with tenant_transaction(engine, room.seed.tenant_id) as connection:
        for odd in ("a b@c.example", "a@c.example>\r\nBcc: x@y.example", "", "<>", "ж@c.example", "x" * 251):
            await note(connection, ticket, odd, CASEY, at)
        for good in ("<good@c.example>", " good@c.example ", "<also@c.example>"):
            await note(connection, ticket, good, CASEY.upper(), at, "Hi")
    await engine.dispose()
    found = await room.rows("select message_id, address from mail_threads where ticket_id = %(id)s", id=ticket)
    assert {(row["message_id"], row["address"]) for row in found} == {
        ("good@c.example", CASEY),
        ("also@c.example", CASEY),
    }


@pytest.mark.parametrize("odd", ["a\r\nBcc: x@y.example", "a b", "<a>", "ä@b", ""])
def test_references_cannot_begin_another_header(odd: str) -> None:
    mail = Mail("i", "a@b.example", "s", "t", "h", "c@d.example", "", "d.example", ("root@d.example", odd))
    written = message_from_bytes(compose(mail), policy=policy.default)
    assert written["Bcc"] is None
    assert written["References"] == written["In-Reply-To"] == "<root@d.example>"


async def test_mail_comes_from_the_tickets_mailbox_and_answers_name_the_ticket(room: Mailroom) -> None:
    await room.mailbox("help@desk.example", "Acme Help", default=True)
    billing = await room.mailbox("billing@desk.example", 'Größe "Billing"\r\nBcc: x@y.example')
    ticket = await room.ticket(mailbox=billing)
    mail = await answered(room, ticket)
    [(name, address)] = getaddresses([str(mail["From"])])
    assert (name, address) == ('Größe "Billing" Bcc: x@y.example', "billing@desk.example")
    plain, token = split_address(str(mail["Reply-To"]))
    assert (plain, read_token(token, await key(room))) == ("billing@desk.example", ticket)
    assert mail["Message-ID"].endswith(f"@{HOME}>")
    assert "Answers to this mail are not read" not in text_of(mail)
    assert mail["X-Summit"] == "acme-support"


async def test_bounces_come_back_to_the_mailbox_and_name_their_notice(room: Mailroom) -> None:
    await room.mailbox("help@desk.example", default=True)
    notice = await room.post("ticket_closed", CASEY, ticket=await room.ticket())
    await room.dispatcher.drain()
    plain, token = split_address(room.mail.envelopes[0])
    assert (plain, read_bounce(token, await key(room))) == ("help@desk.example", notice)


async def test_without_a_mailbox_of_its_own_a_ticket_has_the_default_and_else_the_installations(room: Mailroom) -> None:
    gone = await room.mailbox("gone@desk.example")
    tickets = [await room.ticket(), await room.ticket(mailbox=gone)]
    await room.rows("update mailboxes set active = false where id = %(id)s", id=gone)
    for ticket in tickets:
        mail = await answered(room, ticket)
        assert (str(mail["From"]), mail["Reply-To"]) == (f"Acme Support <support@{HOME}>", None)
        assert room.mail.envelopes[-1] == f"support@{HOME}"
        assert "Answers to this mail are not read." in text_of(mail)
    await room.mailbox("help@desk.example", "Acme Help", default=True)
    for ticket in tickets:
        assert str((await answered(room, ticket))["From"]) == "Acme Help <help@desk.example>"
    await room.post()
    await room.dispatcher.drain()
    invitation = room.mail.taken[-1]
    assert (str(invitation["From"]), invitation["Reply-To"]) == ("Acme Help <help@desk.example>", None)


async def test_the_staff_can_answer_by_mail_too(room: Mailroom) -> None:
    await room.mailbox("help@desk.example", default=True)
    agent, address = await room.person()
    ticket = await room.ticket()
    comment = await room.comment(ticket, "It still burns.", by_hand=False)
    await room.post("customer_replied", agent, ticket=ticket, commentId=comment)
    await room.dispatcher.drain()
    [mail] = room.mail.to(address)
    _, token = split_address(str(mail["Reply-To"]))
    assert read_staff_token(token, UUID(agent), await key(room)) == ticket, "signed for them, and proves who they are"
    assert read_token(token, await key(room)) is None
    told = split_address(str((await answered(room, ticket))["Reply-To"]))[1]
    assert read_staff_token(told, UUID(agent), await key(room)) is None
    assert read_token(told, await key(room)) == ticket
    assert mail["Auto-Submitted"] == "auto-generated"


async def test_only_what_a_person_wrote_is_not_marked_as_written_by_a_machine(room: Mailroom) -> None:
    ticket = await room.ticket()
    by_hand = await answered(room, ticket)
    by_rule = await answered(room, ticket, by_hand=False)
    by_machine = await answered(room, ticket, automatic=True)
    await room.post("ticket_received", CASEY, ticket=ticket, open=True)
    await room.dispatcher.drain()
    await room.came(ticket, "one@shop.example", CASEY)
    await room.post("ticket_received", CASEY, ticket=ticket, open=True)
    await room.dispatcher.drain()
    received, acknowledged = room.mail.to(CASEY)[-2:]
    marks = [mail["Auto-Submitted"] for mail in (by_hand, by_rule, by_machine, received, acknowledged)]
    assert marks == [None, "auto-generated", "auto-generated", "auto-generated", "auto-replied"]
    assert {mail["X-Auto-Response-Suppress"] for mail in room.mail.taken} == {"OOF, AutoReply"}


async def test_d7_a_mail_that_is_repeated_keeps_its_ids_whatever_changed_meanwhile(room: Mailroom) -> None:
    ticket = await room.ticket()
    room.mail.weigh = lambda _: "451 Try later"
    row = await room.post("ticket_closed", CASEY, ticket=ticket)
    await room.dispatcher.drain()
    await room.mailbox("new@other.example", default=True)
    room.mail.weigh = lambda _: None
    await room.due_now(row)
    await room.dispatcher.drain()
    [mail] = room.mail.taken
    assert mail["Message-ID"] == f"<{row}@{HOME}>"
    assert chain(mail) == [f"<ticket.{ticket}@{HOME}>"]
    assert str(mail["From"]).endswith("<new@other.example>")
