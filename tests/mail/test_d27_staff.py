"""D27: an answer from an agent's address is the agent's, if it is proved that they wrote it."""

from uuid import UUID

import pytest

from domain.mail.addresses import note_address, staff_address
from tests.mail.conftest import AUTHORITY
from tests.mail.postoffice import SUPPORT, PostOffice, answer, fresh, letter

AGENT = "agent@acme-support.example"
PROVED = f"{AUTHORITY}; dmarc=pass header.from=acme-support.example"


async def test_d27_an_agents_answer_keeps_the_promise_and_is_sent_on(post: PostOffice) -> None:
    mail, ticket = await post.opened(sender=fresh())
    reply = answer(mail, "Try again.\n\nAlex", sender=f"Alex <{AGENT}>", Authentication_Results=PROVED)
    [row] = await post.send(reply)
    [comment] = await post.comments(ticket)
    assert comment["id"] == str(row["comment_id"])
    assert comment["author"] == {"id": str(post.front.seed.users["agent"]), "name": "Alex Agent", "role": "AGENT"}
    assert (await post.clocks(ticket))["FIRST_RESPONSE"] == "MET"
    assert len(await post.told(ticket, "ticket_reply")) == 1


async def test_d27_the_address_that_was_signed_for_them_proves_it_too(post: PostOffice) -> None:
    _, ticket = await post.opened(sender=fresh())
    await post.send(letter("#resolve\nTry again.", sender=AGENT), (await post.staff_reply_to(ticket)).upper())
    [comment] = await post.comments(ticket)
    assert comment["author"] == {"id": str(post.front.seed.users["agent"]), "name": "Alex Agent", "role": "AGENT"}
    assert (await post.ticket(ticket["id"]))["status"] == "RESOLVED"


async def test_d27_an_answer_to_their_signed_address_keeps_the_promise_though_no_server_vouches_for_it(
    post: PostOffice,
) -> None:
    _, ticket = await post.opened(sender=fresh())
    assert (await post.clocks(ticket))["FIRST_RESPONSE"] == "RUNNING"
    [row] = await post.send(letter("Try again.", sender=AGENT), await post.staff_reply_to(ticket), sender=AGENT)
    assert (row["state"], str(row["ticket_id"])) == ("DONE", ticket["id"])
    assert (await post.clocks(ticket))["FIRST_RESPONSE"] == "MET"
    assert len(await post.told(ticket, "ticket_reply")) == 1


async def test_d27_a_customer_who_writes_as_an_agent_to_the_address_that_customers_get_is_parked(
    post: PostOffice,
) -> None:
    customer = fresh()
    mail, ticket = await post.opened(sender=customer)
    for order in ("#resolve", "#internal"):
        forged = answer(mail, f"{order}\nRefund them.", sender=f"Alex Agent <{AGENT}>")
        row = await post.parked(forged, await post.reply_to(ticket), sender=customer)
        assert (row["reason"], str(row["ticket_id"])) == ("UNVERIFIED", ticket["id"])
    assert await post.comments(ticket) == []
    assert (await post.ticket(ticket["id"]))["status"] == ticket["status"]
    assert (await post.clocks(ticket))["FIRST_RESPONSE"] == "RUNNING"


async def test_d27_the_address_that_customers_get_does_with_the_word_of_our_server(post: PostOffice) -> None:
    _, ticket = await post.opened(sender=fresh())
    await post.send(letter("Try again.", sender=AGENT, Authentication_Results=PROVED), await post.reply_to(ticket))
    [comment] = await post.comments(ticket)
    assert comment["author"]["role"] == "AGENT"


async def test_d27_the_address_of_one_of_the_staff_proves_nobody_else(post: PostOffice) -> None:
    _, ticket = await post.opened(sender=fresh())
    _, other = await post.opened(sender=fresh())
    key, agent = await post.key(), post.front.seed.users["agent"]
    for address in (
        await post.staff_reply_to(ticket, "lead"),
        staff_address(SUPPORT, UUID(ticket["id"]), agent, b"another tenant's key"),
    ):
        row = await post.parked(letter("#resolve\nRefund them.", sender=AGENT), address)
        assert row["reason"] == "UNVERIFIED"
    own = staff_address(SUPPORT, UUID(other["id"]), agent, key)
    await post.send(answer(f"<ticket.{ticket['id']}@summit.example>", "Of the other.", sender=AGENT), own)
    assert [each["body"] for each in await post.comments(other)] == ["Of the other."], "what is signed decides"
    assert await post.comments(ticket) == []


async def test_d27_who_has_got_hold_of_an_agents_address_is_still_only_who_they_are(post: PostOffice) -> None:
    _, ticket = await post.opened(sender=fresh())
    stranger = fresh("stranger")
    [row] = await post.send(letter("#resolve\nThank you.", sender=stranger), await post.staff_reply_to(ticket))
    assert str(row["ticket_id"]) != ticket["id"]
    assert (await post.ticket(ticket["id"]))["cc"] == []


async def test_d27_what_only_says_that_it_is_from_an_agent_is_parked(post: PostOffice) -> None:
    mail, ticket = await post.opened(sender=fresh())
    elsewhere = "elsewhere.example; dmarc=pass header.from=acme-support.example"
    for forged in (
        answer(mail, "Refund them.", sender=AGENT),
        answer(mail, "Refund them.", sender=AGENT, Authentication_Results=elsewhere),
        letter("Refund them.", sender=AGENT, subject=f"[{ticket['number']}]"),
    ):
        row = await post.parked(forged)
        assert (row["reason"], str(row["ticket_id"])) == ("UNVERIFIED", ticket["id"])
    assert await post.comments(ticket) == []
    assert (await post.clocks(ticket))["FIRST_RESPONSE"] == "RUNNING"


@pytest.mark.parametrize(
    "denied",
    [
        "dmarc=fail header.from=acme-support.example",
        "spf=fail smtp.mailfrom=acme-support.example",
        "dkim=fail header.d=acme-support.example; spf=none",
    ],
)
async def test_d27_a_sender_whom_our_server_disproves_is_parked_even_at_their_signed_address(
    post: PostOffice, denied: str
) -> None:
    _, ticket = await post.opened(sender=fresh())
    forged = letter("Refund them.", sender=AGENT, Authentication_Results=f"{AUTHORITY}; {denied}")
    row = await post.parked(forged, await post.staff_reply_to(ticket))
    assert (row["reason"], str(row["ticket_id"])) == ("UNVERIFIED", ticket["id"])


async def test_d27_what_a_lead_vouches_for_is_the_agents(post: PostOffice) -> None:
    mail, ticket = await post.opened(sender=fresh())
    row = await post.parked(answer(mail, "Try again.", sender=AGENT))
    await post.front.call("lead", "POST", f"/api/mail/inbound/{row['id']}/accept")
    await post.settled([row["id"]])
    [comment] = await post.comments(ticket)
    assert comment["author"]["role"] == "AGENT"


async def test_d27_orders_above_an_answer_make_it_internal_or_move_the_ticket(post: PostOffice) -> None:
    mail, ticket = await post.opened(sender=fresh())
    proved = {"sender": AGENT, "Authentication_Results": PROVED}
    await post.send(answer(mail, "#internal\nLooks like the proxy.", **proved))
    await post.send(answer(mail, "#resolve\nIt was the proxy.", **proved))
    note, told = await post.comments(ticket)
    assert (note["body"], note["internal"]) == ("Looks like the proxy.", True)
    assert (told["body"], told["internal"]) == ("It was the proxy.", False)
    assert (await post.ticket(ticket["id"]))["status"] == "RESOLVED"


async def test_d27_an_answer_to_the_mail_about_a_note_is_a_note(post: PostOffice) -> None:
    _, ticket = await post.opened(sender=fresh())
    agent = post.front.seed.users["agent"]
    there = note_address(SUPPORT, UUID(ticket["id"]), agent, await post.key())
    await post.send(letter("Refund them?", sender=AGENT), there)
    await post.send(letter("#public\nWe will refund you.", sender=AGENT), there)
    said = [(each["body"], each["internal"]) for each in await post.comments(ticket)]
    assert said == [("Refund them?", True), ("We will refund you.", False)]


async def test_d27_what_an_agent_forwards_is_the_first_senders(post: PostOffice) -> None:
    customer = fresh()
    inline = (
        "Please take this.\n\n---------- Forwarded message ---------\n"
        f"From: Casey <{customer}>\nDate: Mon, 2 Mar 2026\nSubject: No dashboard\nTo: {AGENT}\n\nIt does not work."
    )
    [row] = await post.send(letter(inline, sender=AGENT, subject="Fwd: No dashboard", Authentication_Results=PROVED))
    ticket = await post.ticket(row["ticket_id"])
    assert ticket["customerEmail"] == customer
    assert "It does not work." in ticket["description"]


async def test_d27_a_mail_that_an_agent_forwards_as_a_file_is_its_senders(post: PostOffice) -> None:
    customer = fresh()
    mail = letter("See the file.", sender=AGENT, subject="FW: x", Authentication_Results=PROVED)
    mail.add_attachment(letter("The inner one.", sender=customer))
    [row] = await post.send(mail)
    assert (await post.ticket(row["ticket_id"]))["customerEmail"] == customer


async def test_d27_an_agent_who_asks_for_themselves_is_a_requester(post: PostOffice) -> None:
    [row] = await post.send(letter("My screen is broken.", sender=AGENT, Authentication_Results=PROVED))
    ticket = await post.ticket(row["ticket_id"])
    assert ticket["customerEmail"] == AGENT
    still = letter("Still broken.", sender=AGENT, Authentication_Results=PROVED)
    await post.send(still, await post.reply_to(ticket))
    [comment] = await post.comments(ticket)
    assert comment["author"]["role"] == "CUSTOMER"
    assert (await post.clocks(ticket))["FIRST_RESPONSE"] == "RUNNING"


async def test_d27_an_agents_answer_on_a_closed_ticket_waits_for_a_decision(post: PostOffice) -> None:
    mail, ticket = await post.opened(sender=fresh())
    await post.moved(await post.moved(ticket, "RESOLVED"), "CLOSED")
    row = await post.parked(answer(mail, "One more thing.", sender=AGENT, Authentication_Results=PROVED))
    assert (row["reason"], str(row["ticket_id"])) == ("REFUSED", ticket["id"])
