"""D24 there and back: what the desk has really sent, answered as a mail program answers it, comes home to its ticket."""

from collections.abc import AsyncIterator
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from cli.demo import PEOPLE
from domain.mail.addresses import read_bounce, read_staff_token, read_token, split_address
from tests.mail.postoffice import SUPPORT, PostOffice, answer, fresh, written_under
from tests.notifications.mailroom import Mailroom, mailroom

AGENT = PEOPLE["agent"].email
GRANITE = "@granite.example"
"""Of an account with the tier PREMIUM, for which this desk promises a next response."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def room(post: PostOffice) -> AsyncIterator[Mailroom]:
    """The way out of the same installation, to a mail server that keeps what it gets."""
    await post.rows("delete from notifications")
    async with mailroom(post.database, post.front.seed, mail_from=SUPPORT) as made:
        yield made


async def sent(room: Mailroom, address: str) -> EmailMessage:
    """The one mail that goes to somebody now."""
    before = len(room.mail.to(address))
    await room.dispatcher.drain()
    [mail] = room.mail.to(address)[before:]
    return mail


async def answered(post: PostOffice, ticket: dict[str, Any], body: str = "Have you tried water?") -> None:
    """An agent's public answer, which waits for the customer."""
    said = {"body": body, "status": "PENDING_CUSTOMER"}
    await post.front.created("agent", f"/api/tickets/{ticket['id']}/comments", said)


def chain(mail: EmailMessage) -> list[str]:
    return str(mail["References"]).split()


async def test_d24_a_conversation_goes_there_and_back_on_one_ticket_and_its_clocks_follow(
    post: PostOffice, room: Mailroom
) -> None:
    sender = fresh("kim").partition("@")[0] + GRANITE
    mail, ticket = await post.opened(sender=f"Kim <{sender}>", subject="Printer on fire")
    calendar = (await post.front.call("lead", "GET", "/api/sla/calendars")).json()["data"][0]["id"]
    promise = {"tier": ticket["slaTier"], "severity": ticket["severity"], "kind": "NEXT_RESPONSE"}
    body = {**promise, "targetMinutes": 30, "calendarId": calendar}
    assert ticket["slaTier"] == "PREMIUM"
    await post.front.created("lead", "/api/sla/definitions", body)
    root, asked = f"<ticket.{ticket['id']}@summit.example>", str(mail["Message-ID"])

    greeting = await sent(room, sender)
    await answered(post, ticket)
    first = await sent(room, sender)
    assert await post.clocks(ticket) == {"FIRST_RESPONSE": "MET", "RESOLUTION": "PAUSED"}
    assert "Have you tried water?" in str(first.get_body(("plain",)))
    key = await post.key()
    notices = [*await post.told(ticket, "ticket_received"), *await post.told(ticket, "ticket_reply")]
    assert [m["Message-ID"] for m in (greeting, first)] == [f"<{each['id']}@summit.example>" for each in notices]
    for each, envelope, notice in zip((greeting, first), room.mail.envelopes[-2:], notices, strict=True):
        assert (each["In-Reply-To"], chain(each)) == (asked, [root, asked])
        assert read_token(split_address(str(each["Reply-To"]))[1], key) == UUID(ticket["id"])
        assert read_bounce(split_address(envelope)[1], key) == notice["id"]
        assert each["Subject"] == f"Re: [{ticket['number']}] Printer on fire"

    reply = written_under(first, "It burns more.")
    [row] = await post.send(reply, str(reply["To"]), sender=sender)
    assert (row["state"], str(row["ticket_id"])) == ("DONE", ticket["id"])
    moved = await post.ticket(ticket["id"])
    assert moved["status"] == "OPEN"
    running = {"FIRST_RESPONSE": "MET", "RESOLUTION": "RUNNING", "NEXT_RESPONSE": "RUNNING"}
    assert await post.clocks(ticket) == running
    question, theirs = await post.comments(ticket)
    assert (question["author"]["role"], question["body"]) == ("AGENT", "Have you tried water?")
    assert (theirs["author"]["role"], theirs["body"]) == ("CUSTOMER", "It burns more.")
    assert "> Have you tried water?" in theirs["quoted"]

    assert await post.send(reply, str(reply["To"]), sender=sender) == []
    assert await post.ticket(ticket["id"]) == moved
    assert len(await post.comments(ticket)) == 2

    await answered(post, ticket, "Then try sand.")
    second = await sent(room, sender)
    assert (second["In-Reply-To"], chain(second)) == (reply["Message-ID"], [root, asked, reply["Message-ID"]])
    assert len({m["Message-ID"] for m in (mail, greeting, first, reply, second)}) == 5
    assert await post.clocks(ticket) == {**running, "RESOLUTION": "PAUSED", "NEXT_RESPONSE": "MET"}


@pytest.mark.parametrize(
    ("to", "left_out"),
    [
        (None, ["In_Reply_To", "References", "subject"]),
        (SUPPORT, ["subject"]),
        (SUPPORT, ["In_Reply_To", "References"]),
    ],
    ids=["by the signed address alone", "by the headers alone", "by the number alone"],
)
async def test_d24_whatever_a_program_has_lost_of_our_mail_the_rest_brings_the_answer_home(
    post: PostOffice, room: Mailroom, to: str | None, left_out: list[str]
) -> None:
    sender = fresh()
    _, ticket = await post.opened(sender=sender)
    await room.dispatcher.drain()
    await answered(post, ticket)
    reply = written_under(await sent(room, sender), "It burns more.", **dict.fromkeys(left_out))
    [row] = await post.send(reply, to or str(reply["To"]), sender=sender)
    assert str(row["ticket_id"]) == ticket["id"]
    assert (await post.ticket(ticket["id"]))["status"] == "OPEN"
    assert (await post.clocks(ticket))["RESOLUTION"] == "RUNNING"


async def test_d24_what_an_agent_answers_to_the_mail_that_they_got_goes_on_to_the_customer(
    post: PostOffice, room: Mailroom
) -> None:
    sender, agent = fresh(), post.front.seed.users["agent"]
    mail, ticket = await post.opened(sender=sender)
    await post.front.call("lead", "PATCH", f"/api/tickets/{ticket['id']}", json={"assigneeId": str(agent)})
    await post.send(answer(mail, "Is anybody there?", sender=sender))
    await room.dispatcher.drain()
    told = room.mail.to(AGENT)[-1]
    assert read_staff_token(split_address(str(told["Reply-To"]))[1], agent, await post.key()) == UUID(ticket["id"])
    reply = written_under(told, "Have you tried water?")
    [row] = await post.send(reply, str(reply["To"]), sender=AGENT)
    assert row["state"] == "DONE", row
    last = (await post.comments(ticket))[-1]
    assert (last["author"]["id"], last["body"]) == (str(agent), "Have you tried water?")
    assert (await post.clocks(ticket))["FIRST_RESPONSE"] == "MET"
    further = await sent(room, sender)
    assert "Have you tried water?" in str(further.get_body(("plain",)))
    assert further["Reply-To"] == await post.reply_to(ticket)
    assert str(told["Reply-To"]) not in str(further), "it is a secret of the agent's"


async def test_d24_an_answer_under_our_acknowledgement_is_of_the_same_ticket(post: PostOffice, room: Mailroom) -> None:
    sender = fresh()
    _, ticket = await post.opened(sender=sender)
    reply = written_under(await sent(room, sender), "It is the one on the left.")
    [row] = await post.send(reply, str(reply["To"]), sender=sender)
    assert str(row["ticket_id"]) == ticket["id"]
    assert [each["body"] for each in await post.comments(ticket)] == ["It is the one on the left."]
