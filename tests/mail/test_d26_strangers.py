"""D26: nobody gets into a conversation by a number or a reference that anybody may know."""

import uuid

from tests.mail.conftest import AUTHORITY
from tests.mail.postoffice import SUPPORT, PostOffice, answer, fresh, letter


async def test_d26_a_number_in_a_strangers_subject_opens_a_ticket_of_their_own(post: PostOffice) -> None:
    _, ticket = await post.opened(sender=fresh())
    [row] = await post.send(letter("Tell me all.", sender=fresh("stranger"), subject=f"Re: [{ticket['number']}] x"))
    other = await post.ticket(row["ticket_id"])
    assert (other["id"] != ticket["id"], other["links"], await post.comments(ticket)) == (True, [], [])


async def test_d26_a_strangers_reference_opens_a_ticket_that_is_linked(post: PostOffice) -> None:
    mail, ticket = await post.opened(sender=fresh())
    stranger = fresh("stranger")
    [row] = await post.send(answer(mail, "I saw this.", sender=stranger))
    other = await post.ticket(row["ticket_id"])
    assert (other["customerEmail"], other["links"]) == (stranger, [{"type": "TICKET", "targetId": ticket["id"]}])
    assert await post.comments(ticket) == []
    assert (await post.ticket(ticket["id"]))["cc"] == []


async def test_d26_who_was_given_the_signed_address_joins_the_conversation(post: PostOffice) -> None:
    _, ticket = await post.opened(sender=fresh())
    colleague = fresh("colleague")
    [row] = await post.send(letter("I can help.", sender=colleague), await post.reply_to(ticket))
    assert str(row["ticket_id"]) == ticket["id"]
    assert (await post.ticket(ticket["id"]))["cc"] == [colleague]
    [comment] = await post.comments(ticket)
    assert (comment["body"], comment["author"]["role"]) == ("I can help.", "CUSTOMER")


async def test_d26_where_there_is_no_room_for_more_they_get_a_ticket_of_their_own(post: PostOffice) -> None:
    many = ", ".join(fresh("one") for _ in range(20))
    _, ticket = await post.opened(sender=fresh(), cc=many)
    assert len(ticket["cc"]) == 20
    [row] = await post.send(letter("Me too.", sender=fresh()), await post.reply_to(ticket))
    assert (await post.ticket(row["ticket_id"]))["links"] == [{"type": "TICKET", "targetId": ticket["id"]}]


async def test_d26_an_address_that_we_have_not_signed_is_only_the_mailbox(post: PostOffice) -> None:
    sender = fresh()
    _, ticket = await post.opened(sender=sender)
    local, _, token = (await post.reply_to(ticket)).partition("+")
    forged = f"{local}+{'b' if token[0] == 'a' else 'a'}{token[1:]}"
    [row] = await post.send(letter("Let me in.", sender=sender), forged)
    assert str(row["ticket_id"]) != ticket["id"]


async def test_d26_a_token_of_another_tenant_is_none_here(post: PostOffice) -> None:
    _, ticket = await post.opened(sender=fresh())
    address = (await post.reply_to(ticket)).replace("summit.example", "globex.example")
    [row] = await post.send(letter("Hello.", sender=fresh()), address)
    assert row["tenant_id"] == post.front.seed.other_tenant_id
    assert str(row["ticket_id"]) != ticket["id"]


async def test_d26_people_of_the_account_may_answer_what_they_may_read(post: PostOffice) -> None:
    mail, ticket = await post.opened(sender="customer@example.com")
    [row] = await post.send(answer(mail, "We both see it.", sender="Colleague <colleague@example.com>"))
    assert str(row["ticket_id"]) == ticket["id"]
    [number] = await post.send(letter(sender="other@example.com", subject=f"[{ticket['number']}]"))
    assert str(number["ticket_id"]) != ticket["id"], "a number takes part in the conversation itself"


async def test_d26_a_sender_whom_our_server_disproves_is_no_participant(post: PostOffice) -> None:
    sender = fresh()
    mail, ticket = await post.opened(sender=sender)
    found = f"{AUTHORITY}; dmarc=fail header.from=shop.example"
    for forged in (
        answer(mail, "It is me.", sender=sender, Authentication_Results=found),
        letter("It is me.", sender=sender, subject=f"[{ticket['number']}]", Authentication_Results=found),
    ):
        [row] = await post.send(forged)
        assert str(row["ticket_id"]) != ticket["id"]
    assert await post.comments(ticket) == []


async def test_d26_references_to_nothing_open_a_ticket(post: PostOffice) -> None:
    for message_id in (f"<{uuid.uuid4()}@summit.example>", f"<ticket.{uuid.uuid4()}@summit.example>", "<x@y>"):
        [row] = await post.send(answer(message_id, sender=fresh()), SUPPORT)
        assert (row["state"], row["comment_id"]) == ("DONE", None)
