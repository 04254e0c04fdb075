"""A mail becomes a ticket, an answer a comment, and an answer to a ticket that is over another ticket."""

from tests.mail.postoffice import SUPPORT, PostOffice, answer, fresh, letter


async def test_a_mail_becomes_a_ticket(post: PostOffice) -> None:
    sender = fresh()
    mail = letter("Since Monday.\n\nCasey", sender=f"Casey <{sender}>", Content_Language="de", cc="boss@shop.example")
    [row] = await post.send(mail)
    assert (row["state"], row["reason"], row["comment_id"]) == ("DONE", None, None)
    ticket = await post.ticket(row["ticket_id"])
    shown = {name: ticket[name] for name in ("customerEmail", "subject", "description", "channel", "language", "cc")}
    assert shown == {
        "customerEmail": sender,
        "subject": "No dashboard",
        "description": "Since Monday.\n\nCasey",
        "channel": "EMAIL",
        "language": "de",
        "cc": ["boss@shop.example"],
    }
    assert len(await post.told(ticket, "ticket_received")) == 1


async def test_a_user_who_writes_asks_as_that_user(post: PostOffice) -> None:
    _, ticket = await post.opened(sender="Somebody Else <Customer@Example.com>")
    [row] = await post.rows("select requester_id from support_tickets where id = %(id)s", id=ticket["id"])
    assert row["requester_id"] == post.front.seed.users["customer"]
    assert ticket["slaTier"] == "ENTERPRISE"


async def test_an_answer_becomes_a_comment_of_its_author(post: PostOffice) -> None:
    sender = fresh()
    mail, ticket = await post.opened(sender=f"Casey <{sender}>")
    text = "It works now.\n\nOn Mon, 2 Mar 2026, Summit <support@summit.example> wrote:\n> Try again."
    [row] = await post.send(answer(mail, text, sender=f"Casey <{sender}>"))
    [comment] = await post.comments(ticket)
    assert (comment["id"], comment["body"]) == (str(row["comment_id"]), "It works now.")
    assert comment["quoted"].endswith("> Try again.")
    assert (comment["author"]["role"], comment["author"]["name"], comment["internal"]) == ("CUSTOMER", "Casey", False)


async def test_an_answer_on_a_ticket_that_is_over_opens_one_that_follows_it(post: PostOffice) -> None:
    sender = fresh()
    mail, ticket = await post.opened(sender=sender, subject="The pump")
    await post.moved(await post.moved(ticket, "RESOLVED"), "CLOSED")
    [row] = await post.send(answer(mail, "It stopped again.", sender=sender, files={"a.bin": b"x"}))
    following = await post.ticket(row["ticket_id"])
    assert (following["followUpOf"], following["subject"], following["customerEmail"]) == (
        ticket["id"],
        "The pump",
        sender,
    )
    [opening] = await post.comments(following)
    assert (opening["id"], opening["body"]) == (str(row["comment_id"]), "It stopped again.")
    assert [file["fileName"] for file in opening["attachments"]] == ["a.bin"]


async def test_an_answer_on_a_merged_ticket_lands_with_its_files_where_it_was_merged_into(post: PostOffice) -> None:
    sender = fresh()
    mail, source = await post.opened(sender=sender)
    _, target = await post.opened(sender=sender, subject="The same again")
    merged = await post.front.call("agent", "POST", f"/api/tickets/{source['id']}/merge", json={"intoId": target["id"]})
    assert merged.status_code == 200, merged.text
    [row] = await post.send(answer(mail, "Still.", sender=sender, files={"a.bin": b"\0"}))
    assert str(row["ticket_id"]) == target["id"]
    files = {each["body"]: [file["fileName"] for file in each["attachments"]] for each in await post.comments(target)}
    assert files["Still."] == ["a.bin"]


async def test_a_mail_without_subject_and_text_is_a_ticket_too(post: PostOffice) -> None:
    [row] = await post.send(b"From: %s\r\n\r\n" % fresh().encode())
    ticket = await post.ticket(row["ticket_id"])
    assert (ticket["subject"], ticket["description"]) == ("(no subject)", "(no text)")


async def test_a_mail_from_nobody_is_looked_at(post: PostOffice) -> None:
    row = await post.parked(b"Subject: Help\r\n\r\nWho am I?")
    assert row["reason"] == "NO_SENDER"


async def test_what_a_new_mail_quotes_is_kept_as_a_file(post: PostOffice) -> None:
    text = "Can you help?\n\nOn Mon, 2 Mar 2026, Sales <sales@shop.example> wrote:\n> They can."
    _, ticket = await post.opened(text=text, sender=fresh())
    assert ticket["description"] == "Can you help?"
    [name] = await files(post, ticket)
    assert name == "earlier-messages.txt"


async def test_a_text_longer_than_a_ticket_holds_is_kept_whole_as_a_file(post: PostOffice) -> None:
    _, ticket = await post.opened(text="Long line of words.\n" * 8000, sender=fresh())
    assert len(ticket["description"]) == 100_000
    assert ticket["description"].endswith("[The whole text is in message.txt]")
    assert await files(post, ticket) == ["message.txt"]


async def test_files_come_with_the_mail_and_keep_their_names(post: PostOffice) -> None:
    sender = fresh()
    found = {"Übersicht.png": b"\x89PNG\r\n\x1a\n" + bytes(20), "../../evil.exe": b"MZ"}
    mail, ticket = await post.opened(sender=sender, files=found)
    assert await files(post, ticket) == ["evil.exe", "Übersicht.png"]
    await post.send(answer(mail, "Here.", sender=sender, files={"log.txt": b"It broke."}))
    [comment] = await post.comments(ticket)
    assert [(file["fileName"], file["size"]) for file in comment["attachments"]] == [("log.txt", 9)]


async def test_a_file_that_is_too_large_is_said_to_be_missing(post: PostOffice) -> None:
    _, ticket = await post.opened(sender=fresh(), files={"huge.bin": bytes(1_100_000), "a.bin": b"x"})
    assert await files(post, ticket) == ["a.bin"]
    assert "huge.bin is larger than" in ticket["description"]


async def test_pictures_in_a_page_are_known_by_the_names_that_the_page_uses(post: PostOffice) -> None:
    raw = (
        f"From: {fresh()}\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
        "<p>See <img src='cid:1@x'></p>\r\n--b\r\nContent-Type: image/png; name=a.png\r\nContent-ID: <1@x>\r\n\r\nP\r\n--b--"
    )
    [row] = await post.send(raw.encode())
    [file] = await post.rows(
        "select a.content_id, a.file_name from ticket_attachments t join attachments a on a.id = t.attachment_id"
        " where t.ticket_id = %(ticket)s",
        ticket=row["ticket_id"],
    )
    assert file == {"content_id": "1@x", "file_name": "a.png"}


async def test_a_mailbox_gives_its_tickets_their_team_and_category(post: PostOffice) -> None:
    team = str(post.front.seed.teams["Engineering"])
    address = fresh("billing")
    box = {"address": address, "name": "Billing", "teamId": team, "category": "Billing"}
    await post.front.created("admin", "/api/mailboxes", box)
    [row] = await post.send(letter(to=address, sender=fresh()), address)
    ticket = await post.ticket(row["ticket_id"])
    assert (ticket["teamId"], ticket["category"], ticket["cc"]) == (team, "Billing", [])


async def test_each_tenant_gets_its_own_mail(post: PostOffice) -> None:
    sender = fresh()
    mail = letter(sender=sender, to="support@globex.example")
    ours, theirs = await post.send(mail, SUPPORT, "support@globex.example")
    assert {ours["tenant_id"], theirs["tenant_id"]} == {post.front.seed.tenant_id, post.front.seed.other_tenant_id}
    for row in (ours, theirs):
        mine = row["tenant_id"] == post.front.seed.tenant_id
        assert (await post.ticket(row["ticket_id"], "admin" if mine else "otherAdmin"))["customerEmail"] == sender
        hidden = await post.front.call("otherAdmin" if mine else "admin", "GET", f"/api/tickets/{row['ticket_id']}")
        assert hidden.status_code == 404


async def files(post: PostOffice, ticket: dict[str, object]) -> list[str]:
    """The names of a ticket's files."""
    response = await post.front.call("agent", "GET", f"/api/tickets/{ticket['id']}/attachments")
    return sorted(file["fileName"] for file in response.json()["data"])
