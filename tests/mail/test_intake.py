"""Mail that was acknowledged is taken in once, whatever dies, is away or breaks on the way."""

import asyncio
import uuid
from typing import Any

import pytest

from api.errors import Unavailable
from api.mail import intake
from api.mail.filing import Filing, Letter
from api.processes import Processes
from db import inbound
from tests.api.front import front
from tests.mail.held_mail import freed, mine, nobody_working, tickets
from tests.mail.postoffice import PostOffice, answer, fresh, letter


async def test_what_a_killed_process_had_is_taken_in_by_another(post: PostOffice) -> None:
    sender = fresh()
    async with nobody_working(post):
        await post.send(letter(sender=sender), settle=False)
        await asyncio.sleep(0.5)
        [row] = await mine(post, sender)
        assert (row["state"], row["attempts"]) == ("RECEIVED", 0)
    await freed(post, sender)
    await post.settled([row["id"]])
    assert await tickets(post, sender) == 1


@pytest.mark.parametrize("place", ["create", "settle"])
async def test_killed_after_the_ticket_was_opened_it_is_found_and_not_opened_again(
    post: PostOffice, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = fresh()
    died: list[str] = []

    if place == "create":
        create = Processes.create

        async def dies(self: Processes, *arguments: Any) -> Any:
            receipt = await create(self, *arguments)
            if not died:
                died.append(place)
                raise Unavailable
            return receipt

        monkeypatch.setattr(Processes, "create", dies)
    else:
        settle = inbound.settle

        async def loses(*arguments: Any, **values: Any) -> bool:
            if not died:
                died.append(place)
                raise OSError("the server has gone away")
            return await settle(*arguments, **values)

        monkeypatch.setattr(inbound, "settle", loses)
    [row] = await post.send(letter(sender=sender))
    assert died == [place]
    assert row["state"] == "DONE"
    assert await tickets(post, sender) == 1


async def test_a_comment_whose_answer_was_lost_is_said_once_even_if_the_ticket_closes_meanwhile(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = fresh()
    mail, ticket = await post.opened(sender=sender)
    await post.moved(ticket, "RESOLVED")
    update, died = Processes.update, []

    async def dies(self: Processes, kind: Any, process_id: Any, name: str, message: Any) -> Any:
        receipt = await update(self, kind, process_id, name, message)
        if name == "comment" and not died:
            died.append(name)
            for status in ("RESOLVED", "CLOSED"):
                await post.moved(ticket, status)
            raise Unavailable
        return receipt

    monkeypatch.setattr(Processes, "update", dies)
    [row] = await post.send(answer(mail, "Not yet.", sender=sender))
    assert (row["state"], str(row["ticket_id"])) == ("DONE", ticket["id"])
    assert len(await post.comments(ticket)) == 1
    assert await tickets(post, sender) == 1


async def test_while_the_engine_is_away_mail_waits_and_is_not_blamed(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, tries = fresh(), []
    create = Processes.create

    async def away(self: Processes, *arguments: Any) -> Any:
        tries.append(1)
        if len(tries) < 8:
            raise Unavailable
        return await create(self, *arguments)

    monkeypatch.setattr(Processes, "create", away)
    monkeypatch.setattr(intake, "LATER_SECONDS", 0.05)
    [row] = await post.send(letter(sender=sender))
    assert (row["state"], len(tries)) == ("DONE", 8)


async def test_a_mail_that_breaks_us_is_parked_and_the_next_of_its_author_goes_on(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, poison = fresh(), uuid.uuid4().hex
    carry_out = Filing.carry_out

    async def breaks(self: Filing, plan: Any, letter: Letter) -> Any:
        if letter.mail.subject == poison:
            raise KeyError("a fault of ours")
        return await carry_out(self, plan, letter)

    monkeypatch.setattr(Filing, "carry_out", breaks)
    monkeypatch.setattr(intake, "MOST_FAULTS", 2)
    await post.send(letter(sender=sender, subject=poison), settle=False)
    [row] = await post.send(letter(sender=sender))
    assert row["state"] == "DONE"
    first, second = await mine(post, sender)
    assert (first["state"], first["reason"], second["id"]) == ("PARKED", "FAILED", row["id"])
    monkeypatch.undo()
    await post.front.call("lead", "POST", f"/api/mail/inbound/{first['id']}/retry")
    [first] = await post.settled([first["id"]])
    assert first["state"] == "DONE"


async def test_a_mail_that_kills_its_process_again_and_again_is_parked(post: PostOffice) -> None:
    sender = fresh()
    async with nobody_working(post):
        await post.send(letter(sender=sender), settle=False)
    [row] = await mine(post, sender)
    await post.rows("update inbound_mails set attempts = 10 where id = %(id)s", id=row["id"])
    await freed(post, sender)
    [row] = await post.settled([row["id"]])
    assert (row["state"], row["reason"]) == ("PARKED", "FAILED")
    assert await tickets(post, sender) == 0


async def test_what_was_noted_of_a_mail_is_confirmed_with_its_ticket_and_noted_anew_with_each_attempt(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, tries = fresh(), []
    mail = letter(sender=sender)
    create = Processes.create
    thread = "from mail_threads where address = %(who)s"

    async def away(self: Processes, *arguments: Any) -> Any:
        tries.append((await post.rows(f"select noted_at {thread}", who=sender))[0]["noted_at"])
        if len(tries) == 1:
            await post.rows(
                "update mail_threads set noted_at = now() - interval '2 days' where address = %(who)s", who=sender
            )
        if len(tries) == 2:
            await post.rows(f"delete {thread}", who=sender)
        if len(tries) < 4:
            raise Unavailable
        return await create(self, *arguments)

    monkeypatch.setattr(Processes, "create", away)
    monkeypatch.setattr(intake, "LATER_SECONDS", 0.05)
    [row] = await post.send(mail)
    assert row["state"] == "DONE"
    assert sorted(set(tries)) == tries, "later each time"
    [found] = await post.rows(f"select ticket_id, noted_at {thread}", who=sender)
    assert (found["ticket_id"], found["noted_at"]) == (row["ticket_id"], None)


async def test_several_processes_share_the_work_and_open_each_ticket_once(post: PostOffice) -> None:
    senders = [fresh() for _ in range(30)]
    temporal = post.front.app.state.services.temporal
    async with front(post.database.app, post.front.seed, temporal, task_queue="post"):
        for sender in senders:
            await post.send(letter(sender=sender), settle=False)
        await post.settled(await post.ids(), seconds=60)
    assert [await tickets(post, sender) for sender in senders] == [1] * 30
