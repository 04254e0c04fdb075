"""An answer that comes back: whoever gave it is told, and it stands at the ticket, for the staff."""

from typing import Any

import pytest

from tests.mail.postoffice import PostOffice, fresh
from tests.mail.test_d18_bounces import report


async def answered(post: PostOffice, sender: str, **parts: Any) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """A ticket, an agent's answer on it, and the mail to the customer that carries it."""
    _, ticket = await post.opened(sender=sender, **parts)
    said = await post.front.call("agent", "POST", f"/api/tickets/{ticket['id']}/comments", json={"body": "Try again."})
    assert said.status_code == 201, said.text
    [mail] = [each for each in await post.told(ticket, "ticket_reply") if each["recipient"] == sender]
    return ticket, said.json(), mail["id"]


async def test_a_hard_bounce_of_an_answer_is_told_to_its_author_and_at_the_ticket(post: PostOffice) -> None:
    sender = fresh()
    ticket, said, mail = await answered(post, sender)
    for _ in range(2):
        await post.parked(report(sender, mail), await post.bounce_to(mail), sender="")
    [notice] = await post.told(ticket, "answer_undelivered")
    assert (notice["recipient"], notice["channel"]) == (str(post.front.seed.users["agent"]), "PREFERRED")
    [comment] = await post.comments(ticket)
    [lost] = comment["undelivered"]
    assert (comment["id"], lost["address"], lost["reason"]) == (said["id"], sender, "The mail came back (5.1.1).")
    history = await post.front.call("agent", "GET", f"/api/tickets/{ticket['id']}/history")
    assert [each["command"] for each in history.json()["data"] if each["undelivered"] == [lost]] == ["comment"]


async def test_what_gets_through_by_a_repeat_is_no_longer_said(post: PostOffice) -> None:
    sender = fresh()
    ticket, _, mail = await answered(post, sender)
    await post.parked(report(sender, mail), await post.bounce_to(mail), sender="")
    await post.rows("update notifications set delivered_at = clock_timestamp() where id = %(id)s", id=mail)
    [comment] = await post.comments(ticket)
    assert comment["undelivered"] == []
    await post.parked(report(sender, mail, "5.2.2"), await post.bounce_to(mail), sender="")
    [comment] = await post.comments(ticket)
    assert [each["reason"] for each in comment["undelivered"]] == ["The mail came back (5.2.2)."]
    assert len(await post.told(ticket, "answer_undelivered")) == 1


async def test_a_resolution_that_comes_back_is_told_to_who_resolved(post: PostOffice) -> None:
    sender = fresh()
    _, ticket = await post.opened(sender=sender)
    await post.moved(ticket, "RESOLVED", "lead")
    [mail] = await post.told(ticket, "ticket_resolved")
    await post.parked(report(sender, mail["id"]), await post.bounce_to(mail["id"]), sender="")
    [notice] = await post.told(ticket, "answer_undelivered")
    assert notice["recipient"] == str(post.front.seed.users["lead"])
    assert (notice["payload"]["what"], notice["payload"]["own"]) == ("resolution", True)
    history = await post.front.call("agent", "GET", f"/api/tickets/{ticket['id']}/history")
    lost = [[gone["address"] for gone in each["undelivered"]] for each in history.json()["data"]]
    assert lost == [[sender], []]


@pytest.mark.parametrize(("status", "action"), [("4.4.1", "delayed"), ("2.0.0", "delivered")])
async def test_a_mail_that_may_still_arrive_is_not_told(post: PostOffice, status: str, action: str) -> None:
    sender = fresh()
    ticket, _, mail = await answered(post, sender)
    await post.parked(report(sender, mail, status, action), await post.bounce_to(mail), sender="")
    assert await post.told(ticket, "answer_undelivered") == []


async def test_a_report_that_only_names_the_answer_is_not_believed(post: PostOffice) -> None:
    sender = fresh()
    ticket, _, mail = await answered(post, sender)
    await post.parked(report(sender, mail), sender="")
    await post.parked(report(sender, mail), await post.reply_to(ticket), sender="")
    assert await post.told(ticket, "answer_undelivered") == []


async def test_an_acknowledgement_that_comes_back_is_told_to_nobody(post: PostOffice) -> None:
    sender = fresh()
    _, ticket = await post.opened(sender=sender)
    [mail] = await post.told(ticket, "ticket_received")
    await post.parked(report(sender, mail["id"]), await post.bounce_to(mail["id"]), sender="")
    assert await post.told(ticket, "answer_undelivered") == []


async def test_customers_do_not_see_whom_an_answer_did_not_reach(post: PostOffice) -> None:
    boss = fresh("boss")
    ticket, _, _ = await answered(post, "customer@example.com", cc=boss)
    [copy] = [each for each in await post.told(ticket, "ticket_reply") if each["recipient"] == boss]
    await post.parked(report(boss, copy["id"]), await post.bounce_to(copy["id"]), sender="")
    path = f"/api/tickets/{ticket['id']}/comments"
    seen = {who: (await post.front.call(who, "GET", path)).json()["data"][0] for who in ("agent", "customer")}
    assert [each["address"] for each in seen["agent"]["undelivered"]] == [boss]
    assert seen["customer"]["undelivered"] == []
