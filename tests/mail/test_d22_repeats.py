"""D22: the same mail is one ticket, however often it comes; another mail is never taken for it."""

import asyncio

from tests.mail.postoffice import SUPPORT, PostOffice, fresh, letter


async def tickets(post: PostOffice, sender: str) -> int:
    [row] = await post.rows("select count(*) as n from support_tickets where customer_email = %(who)s", who=sender)
    return int(row["n"])


async def test_d22_a_mail_that_comes_twice_is_one_ticket(post: PostOffice) -> None:
    sender = fresh()
    raw = letter(sender=sender).as_bytes()
    [row] = await post.send(raw)
    assert await post.send(b"Received: from elsewhere\r\nX-Spam: no\r\n" + raw) == []
    assert await tickets(post, sender) == 1
    again = await post.front.call(
        "lead", "POST", "/api/mail/inbound", content=raw, headers={"Content-Type": "message/rfc822"}
    )
    assert again.json() == {"id": str(row["id"]), "state": "DONE"}


async def test_d22_a_mail_that_comes_at_once_by_many_ways_is_one_ticket(post: PostOffice) -> None:
    sender = fresh()
    raw = letter(sender=sender).as_bytes()
    await asyncio.gather(*(asyncio.to_thread(post.deliver, raw, [SUPPORT], sender) for _ in range(8)))
    await post.settled(await post.ids())
    assert await tickets(post, sender) == 1


async def test_d22_without_a_message_id_the_content_tells(post: PostOffice) -> None:
    sender = fresh()
    mail = letter(sender=sender, Message_ID="")
    assert len(await post.send(mail)) == 1
    assert await post.send(b"X-UID: 17\r\n" + mail.as_bytes()) == []
    assert len(await post.send(letter("Something else.", sender=sender, Message_ID=""))) == 1
    assert await tickets(post, sender) == 2


async def test_d22_another_mail_under_the_same_message_id_is_kept_to_be_looked_at(post: PostOffice) -> None:
    sender, same = fresh(), "<always-the-same@shop.example>"
    await post.send(letter("One.", sender=sender, Message_ID=same))
    row = await post.parked(letter("Two.", sender=sender, Message_ID=same))
    assert row["reason"] == "REPEATED"
    assert await tickets(post, sender) == 1
    await post.front.call("lead", "POST", f"/api/mail/inbound/{row['id']}/accept")
    await post.settled([row["id"]])
    assert await tickets(post, sender) == 2


async def test_d22_two_addresses_of_one_mailbox_are_one_mail(post: PostOffice) -> None:
    sender = fresh()
    [row] = await post.send(letter(sender=sender), SUPPORT, "support+anything@summit.example")
    assert row["recipient"] == "support+anything@summit.example"
    assert await tickets(post, sender) == 1
