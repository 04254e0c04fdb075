"""D21: answers that come like a machine's do not reopen a ticket without end."""

from tests.mail.postoffice import PostOffice, answer, fresh


async def test_d21_after_three_reopenings_within_minutes_mail_reopens_no_more(post: PostOffice) -> None:
    sender = fresh()
    mail, ticket = await post.opened(sender=sender)
    for _ in range(3):
        await post.moved(ticket, "RESOLVED")
        await post.send(answer(mail, "Not yet.", sender=sender))
        assert (await post.ticket(ticket["id"]))["status"] == "OPEN"
    await post.moved(ticket, "RESOLVED")
    for _ in range(17):
        await post.send(answer(mail, "Not yet.", sender=sender), settle=False)
    await post.settled(await post.ids())
    assert (await post.ticket(ticket["id"]))["status"] == "RESOLVED"
    assert len(await post.comments(ticket)) == 20
