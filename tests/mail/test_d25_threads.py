"""D25: an answer finds its ticket by whatever its program has kept of the conversation."""

import uuid
from typing import Any

import pytest

from api.mail import intake
from tests.mail.postoffice import SUPPORT, PostOffice, answer, fresh, letter


async def test_d25_the_newest_known_reference_wins_where_nothing_is_replied_to(post: PostOffice) -> None:
    sender = fresh()
    first, _ = await post.opened(sender=sender)
    second, later = await post.opened(sender=sender)
    unknown = f"<{uuid.uuid4()}@nowhere.example>"
    chain = f"{first['Message-ID']} {second['Message-ID']} {unknown}"
    [row] = await post.send(letter("Forwarded.", sender=sender, subject="Fwd: x", References=chain))
    assert str(row["ticket_id"]) == later["id"]


async def test_d25_what_is_replied_to_goes_before_the_rest(post: PostOffice) -> None:
    sender = fresh()
    first, ticket = await post.opened(sender=sender)
    second, _ = await post.opened(sender=sender)
    chain = f"{first['Message-ID']} {second['Message-ID']}"
    [row] = await post.send(answer(first, sender=sender, References=chain))
    assert str(row["ticket_id"]) == ticket["id"]


async def test_d25_our_own_mails_are_known_by_their_ids(post: PostOffice) -> None:
    sender = fresh()
    _, ticket = await post.opened(sender=sender)
    [notice] = await post.told(ticket, "ticket_received")
    for message_id in (f"<{notice['id']}@summit.example>", f"<ticket.{ticket['id']}@summit.example>"):
        [row] = await post.send(answer(message_id, sender=sender, subject="Something else"))
        assert str(row["ticket_id"]) == ticket["id"]


async def test_d25_an_answer_to_an_answer_is_of_the_same_ticket(post: PostOffice) -> None:
    sender, boss = fresh(), fresh("boss")
    mail, ticket = await post.opened(sender=sender, cc=boss)
    reply = answer(mail, "One more thing.", sender=sender)
    await post.send(reply)
    [row] = await post.send(answer(reply, "I agree.", sender=boss))
    assert str(row["ticket_id"]) == ticket["id"]


async def test_d25_the_signed_address_finds_the_ticket_without_any_header(post: PostOffice) -> None:
    sender = fresh()
    _, ticket = await post.opened(sender=sender)
    address = await post.reply_to(ticket)
    [row] = await post.send(letter("Written on a telephone.", sender=sender, to=address, subject=""), address.upper())
    assert str(row["ticket_id"]) == ticket["id"]


async def test_d25_the_number_in_the_subject_finds_the_ticket_of_who_takes_part(post: PostOffice) -> None:
    sender, boss = fresh(), fresh("boss")
    _, ticket = await post.opened(sender=sender, cc=boss)
    for who in (sender, boss):
        [row] = await post.send(letter("Well?", sender=who, subject=f"AW: [{ticket['number'].lower()}] No dashboard"))
        assert str(row["ticket_id"]) == ticket["id"]


async def test_d25_an_answer_that_comes_with_what_it_answers_waits_for_it(post: PostOffice) -> None:
    sender, boss = fresh(), fresh("boss")
    mail = letter(sender=sender, cc=boss)
    reply = answer(mail, "I am its boss.", sender=boss)
    await post.send(mail, settle=False)
    [row] = await post.send(reply)
    ticket = await post.ticket(row["ticket_id"])
    assert ticket["customerEmail"] == sender
    assert [comment["body"] for comment in await post.comments(ticket)] == ["I am its boss."]


async def test_d25_mails_of_one_author_are_taken_in_in_their_order(post: PostOffice) -> None:
    sender = fresh()
    mail, ticket = await post.opened(sender=sender)
    for number in range(12):
        await post.send(answer(mail, f"Line {number}.", sender=sender), settle=False)
    await post.settled(await post.ids())
    assert [comment["body"] for comment in await post.comments(ticket)] == [f"Line {n}." for n in range(12)]


async def test_d24_what_the_desk_sends_answers_the_mail_that_came(post: PostOffice) -> None:
    sender = fresh()
    mail, ticket = await post.opened(sender=sender)
    reply = answer(mail, "More.", sender=sender)
    await post.send(reply, SUPPORT)
    query = "select * from last_mail_of(%(ticket)s, %(sender)s)"
    [found] = await post.rows(query, ticket=ticket["id"], sender=sender)
    assert f"<{found['answers']}>" == reply["Message-ID"]
    assert [f"<{each}>" for each in found["known"]] == [mail["Message-ID"], reply["Message-ID"]]


async def test_d24_the_first_mail_is_noted_before_its_ticket_sends_anything(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unconfirmed(*_: Any) -> None:
        """What was noted stays as it was written."""

    monkeypatch.setattr(intake, "confirm", unconfirmed)
    _, ticket = await post.opened(sender=fresh())
    [notice] = await post.told(ticket, "ticket_received")
    [noted] = await post.rows(
        "select xmin::text::bigint as wrote from mail_threads where ticket_id = %(t)s", t=ticket["id"]
    )
    [told] = await post.rows("select xmin::text::bigint as wrote from notifications where id = %(id)s", id=notice["id"])
    assert noted["wrote"] < told["wrote"]
