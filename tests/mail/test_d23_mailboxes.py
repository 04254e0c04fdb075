"""D23: one mail to two mailboxes is a ticket in each, and each names the other."""

from tests.mail.postoffice import SUPPORT, PostOffice, answer, fresh, letter


async def test_d23_a_mail_to_two_mailboxes_is_two_tickets_that_are_linked(post: PostOffice) -> None:
    sender, legal = fresh(), fresh("legal")
    await post.front.created("admin", "/api/mailboxes", {"address": legal, "name": "Legal"})
    mail = letter(sender=sender, to=f"{SUPPORT}, {legal}")
    rows = await post.send(mail, SUPPORT, legal)
    first, second = [await post.ticket(row["ticket_id"]) for row in rows]
    assert first["id"] != second["id"]
    assert (first["cc"], second["cc"]) == ([], [])
    for one, other in ((first, second), (second, first)):
        links = (await post.front.call("agent", "GET", f"/api/tickets/{one['id']}/links")).json()["data"]
        assert other["id"] in [link["targetId"] for link in links if link["outgoing"]]


async def test_d23_an_answer_to_both_is_said_on_the_ticket_of_each_mailbox(post: PostOffice) -> None:
    sender, legal = fresh(), fresh("legal")
    await post.front.created("admin", "/api/mailboxes", {"address": legal, "name": "Legal"})
    mail = letter(sender=sender, to=f"{SUPPORT}, {legal}")
    rows = await post.send(mail, SUPPORT, legal)
    answered = await post.send(answer(mail, "More.", sender=sender), SUPPORT, legal)
    assert {row["mailbox_id"]: row["ticket_id"] for row in answered} == {
        row["mailbox_id"]: row["ticket_id"] for row in rows
    }


async def test_d23_an_answer_about_one_ticket_is_said_once_although_it_goes_to_two_mailboxes(post: PostOffice) -> None:
    sender, legal = fresh(), fresh("legal")
    await post.front.created("admin", "/api/mailboxes", {"address": legal, "name": "Legal"})
    mail, ticket = await post.opened(sender=sender)
    rows = await post.send(answer(mail, "To both.", sender=sender), SUPPORT, legal)
    assert {(row["state"], str(row["ticket_id"])) for row in rows} == {("DONE", ticket["id"])}
    assert [comment["body"] for comment in await post.comments(ticket)] == ["To both."]
