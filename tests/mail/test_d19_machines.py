"""D19 and D20: machines keep no promise, ask for nothing, and get no answers without end."""

import pytest

from tests.mail.conftest import AUTHORITY
from tests.mail.postoffice import SUPPORT, PostOffice, answer, fresh, letter

HEADERS = [
    {"Auto_Submitted": "auto-replied"},
    {"X_Autoreply": "yes"},
    {"Precedence": "bulk"},
    {"Precedence": "list"},
    {"Precedence": "auto_reply"},
    {"X_Auto_Response_Suppress": "All"},
    {"List_Id": "<news.shop.example>"},
]


@pytest.mark.parametrize("headers", HEADERS, ids=lambda each: " ".join(f"{k}={v}" for k, v in each.items()))
async def test_d19_what_a_machine_sends_unasked_opens_nothing_and_is_acknowledged_to_nobody(
    post: PostOffice, headers: dict[str, str]
) -> None:
    sender = fresh()
    row = await post.parked(letter("News!", sender=sender, **headers))
    assert (row["reason"], row["ticket_id"]) == ("AUTOMATIC", None)
    assert await post.rows("select id from support_tickets where customer_email = %(who)s", who=sender) == []
    assert await post.rows("select id from notifications where recipient = %(who)s", who=sender) == []


async def test_d19_a_notice_of_absence_is_on_its_ticket_and_moves_nothing(post: PostOffice) -> None:
    sender = fresh()
    mail, ticket = await post.opened(sender=sender)
    await post.front.created("agent", f"/api/tickets/{ticket['id']}/comments", {"body": "Try again."})
    waiting = await post.moved(ticket, "PENDING_CUSTOMER")
    before = await post.clocks(ticket)
    away = answer(mail, "I am away until Monday.", sender=sender, Auto_Submitted="auto-replied")
    [row] = await post.send(away)
    assert row["state"] == "DONE"
    comment = (await post.comments(ticket))[-1]
    assert (comment["body"], comment["automatic"]) == ("I am away until Monday.", True)
    after = await post.ticket(ticket["id"])
    assert (after["status"], after["version"]) == ("PENDING_CUSTOMER", waiting["version"])
    assert await post.clocks(ticket) == before


async def test_d19_a_notice_of_absence_to_the_address_for_bounces_is_no_bounce(post: PostOffice) -> None:
    sender = fresh()
    _, ticket = await post.opened(sender=sender)
    [notice] = await post.told(ticket, "ticket_received")
    away = letter("Away.", sender=sender, Auto_Submitted="auto-replied", subject="Away")
    [row] = await post.send(away, await post.bounce_to(notice["id"]), sender="")
    assert (row["state"], str(row["ticket_id"])) == ("DONE", ticket["id"])


@pytest.mark.parametrize("proof", [{}, {"Authentication_Results": f"{AUTHORITY}; dmarc=pass"}], ids=["", "proved"])
async def test_d19_that_an_agent_is_away_is_told_no_customer(post: PostOffice, proof: dict[str, str]) -> None:
    agent = "agent@acme-support.example"
    mail, ticket = await post.opened(sender=fresh())
    [notice] = await post.told(ticket, "ticket_received")
    for address in (
        SUPPORT,
        await post.reply_to(ticket),
        await post.staff_reply_to(ticket),
        await post.bounce_to(notice["id"]),
    ):
        away = answer(mail, "I am away until Monday.", sender=agent, Auto_Submitted="auto-replied", **proof)
        row = await post.parked(away, address, sender="")
        assert (row["reason"], str(row["ticket_id"])) == ("AUTOMATIC", ticket["id"])
    assert await post.comments(ticket) == []
    assert (await post.ticket(ticket["id"]))["cc"] == []


async def test_d19_a_machine_is_never_copied_in(post: PostOffice) -> None:
    _, ticket = await post.opened(sender=fresh())
    robot = fresh("robot")
    away = letter("I am away.", sender=robot, Auto_Submitted="auto-replied")
    row = await post.parked(away, await post.reply_to(ticket), sender="")
    assert (row["reason"], str(row["ticket_id"])) == ("AUTOMATIC", ticket["id"])
    await post.front.call("lead", "POST", f"/api/mail/inbound/{row['id']}/accept")
    [row] = await post.settled([row["id"]])
    apart = await post.ticket(row["ticket_id"])
    assert (apart["customerEmail"], apart["links"]) == (robot, [{"type": "TICKET", "targetId": ticket["id"]}])
    assert (await post.ticket(ticket["id"]))["cc"] == []


async def test_d19_auto_submitted_no_is_a_person(post: PostOffice) -> None:
    _, ticket = await post.opened(sender=fresh(), Auto_Submitted="no")
    assert len(await post.told(ticket, "ticket_received")) == 1


async def test_d19_what_a_lead_accepts_becomes_a_ticket_without_an_acknowledgement(post: PostOffice) -> None:
    row = await post.parked(letter("The disk is full.", sender=fresh(), Precedence="bulk"))
    accepted = await post.front.call("lead", "POST", f"/api/mail/inbound/{row['id']}/accept")
    assert accepted.status_code == 200, accepted.text
    [row] = await post.settled([row["id"]])
    ticket = await post.ticket(row["ticket_id"])
    assert ticket["description"] == "The disk is full."
    assert await post.told(ticket, "ticket_received") == []


async def test_d20_two_machines_that_answer_each_other_fall_silent(post: PostOffice) -> None:
    sender = fresh("helpdesk")
    for number in range(5):
        # Another Message-ID each time, and nothing that says what wrote it.
        await post.send(letter(f"We got your request {number}.", sender=sender, subject="Re: Re: your request"))
    query = "select count(*) as told from notifications where recipient = %(who)s and template = 'ticket_received'"
    assert await post.rows(query, who=sender) == [{"told": 2}]


async def test_d20_no_sender_gets_more_than_ten_in_three_hours_whatever_the_subjects(post: PostOffice) -> None:
    sender = fresh("helpdesk")
    told = "select count(*) as told from notifications where recipient = %(who)s and template = 'ticket_received'"
    age = "update notifications set created_at = created_at - %(by)s * interval '1 minute' where recipient = %(who)s"

    async def written(first: int, last: int) -> int:
        for number in range(first, last + 1):
            await post.opened(sender=sender, subject=f"Your request {number} was received")
        [found] = await post.rows(told, who=sender)
        return int(found["told"])

    assert await written(1, 12) == 10
    _, other = await post.opened(sender=fresh("somebody"), subject="Your request 1 was received")
    assert len(await post.told(other, "ticket_received")) == 1
    await post.rows(age, who=sender, by=170)
    assert await written(13, 13) == 10
    await post.rows(age, who=sender, by=11)
    assert await written(14, 14) == 11
    assert len(await post.rows("select id from support_tickets where customer_email = %(who)s", who=sender)) == 14


async def test_d20_another_desk_of_summit_is_a_person_only_where_a_person_wrote(post: PostOffice) -> None:
    headers = {"X_Summit": "globex", "X_Auto_Response_Suppress": "OOF, AutoReply"}
    await post.opened(sender=fresh(), **headers)
    row = await post.parked(letter(sender=fresh(), Auto_Submitted="auto-generated", **headers))
    assert row["reason"] == "AUTOMATIC"


@pytest.mark.parametrize(
    "back",
    [{"sender": "Acme <support@summit.example>"}, {"X_Summit": "acme-support"}],
    ids=["from our own mailbox", "with our own mark"],
)
async def test_d20_our_own_mail_that_comes_back_is_parked(post: PostOffice, back: dict[str, str]) -> None:
    row = await post.parked(letter(**{"sender": fresh(), **back}))
    assert row["reason"] == "LOOP"


async def test_d20_a_notice_of_ours_that_comes_back_is_known_by_its_id(post: PostOffice) -> None:
    _, ticket = await post.opened(sender=fresh())
    [notice] = await post.told(ticket, "ticket_received")
    row = await post.parked(letter(sender=fresh(), Message_ID=f"<{notice['id']}@summit.example>"))
    assert row["reason"] == "LOOP"
