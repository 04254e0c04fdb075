"""Of the processes that take mail in, one works on a mail: who has lost it does nothing more with it."""

import asyncio
from typing import Any

import pytest

from api.mail import intake
from api.mail.clerk import Clerk
from api.mail.filing import Filing, Letter
from api.runner import LeaseLost
from db import inbound
from tests.mail.held_mail import freed, held, leased_by_another, mine, tickets
from tests.mail.postoffice import PostOffice, fresh, letter


async def test_of_one_author_only_one_mail_is_in_work_at_a_time(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, working, most = fresh(), set(), []
    judge = Clerk.judge

    async def slowly(self: Clerk, connection: Any, row: Any, mail: Any) -> Any:
        if row["author"] == sender:
            working.add(row["id"])
            most.append(len(working))
            await asyncio.sleep(0.05)
            working.discard(row["id"])
        return await judge(self, connection, row, mail)

    monkeypatch.setattr(Clerk, "judge", slowly)
    for number in range(6):
        await post.send(letter(f"{number}", sender=sender), settle=False)
    await post.settled([row["id"] for row in await mine(post, sender)])
    assert most == [1] * 6


@pytest.mark.parametrize("place", ["before it is read", "while it is judged"])
async def test_who_has_lost_a_mail_to_another_does_nothing_more_with_it(
    post: PostOffice, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = fresh()
    own, mail = await held(post, sender)
    judge = Clerk.judge

    async def slowly(self: Clerk, *arguments: Any) -> Any:
        plan = await judge(self, *arguments)
        await leased_by_another(post, mail)
        return plan

    monkeypatch.setattr(Clerk, "judge", slowly)
    if place == "before it is read":
        await leased_by_another(post, mail)
    with pytest.raises(LeaseLost):
        await own.take_in(mail)
    monkeypatch.undo()
    [row] = await mine(post, sender)
    assert (row["state"], row["plan"]) == ("RECEIVED", None)
    assert await tickets(post, sender) == 0
    await own.begin(mail)
    assert (await mine(post, sender)) == [row]
    await freed(post, sender)
    await post.settled([row["id"]])
    assert await tickets(post, sender) == 1


async def test_a_process_that_was_held_up_does_not_settle_what_another_has(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = fresh()
    own, mail = await held(post, sender)
    carry_out = Filing.carry_out

    async def held_up(self: Filing, plan: Any, letter: Letter) -> Any:
        done = await carry_out(self, plan, letter)
        await leased_by_another(post, mail)
        return done

    monkeypatch.setattr(Filing, "carry_out", held_up)
    with pytest.raises(LeaseLost):
        await own.take_in(mail)
    monkeypatch.undo()
    await freed(post, sender)
    [row] = await post.settled([mail.id])
    assert row["state"] == "DONE"
    assert await tickets(post, sender) == 1


async def test_work_on_a_mail_ends_when_its_lease_cannot_be_renewed(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, begun = fresh(), asyncio.Event()
    own, mail = await held(post, sender)

    async def hangs(self: Clerk, *_: Any) -> Any:
        begun.set()
        await asyncio.sleep(3600)

    monkeypatch.setattr(Clerk, "judge", hangs)
    monkeypatch.setattr(own, "lease_seconds", 0.3)
    working, keeper = own.begin(mail), asyncio.create_task(own.keep())
    await begun.wait()
    await asyncio.sleep(0.5)
    assert not working.done()
    await leased_by_another(post, mail)
    async with asyncio.timeout(5):
        await asyncio.wait([working])
    keeper.cancel()
    assert working.cancelled()
    [row] = await mine(post, sender)
    assert (row["state"], row["lease_id"] is None) == ("RECEIVED", False)
    monkeypatch.undo()
    await freed(post, sender)
    await post.settled([mail.id])


async def test_leases_are_kept_after_whatever_has_failed(post: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    sender, tries = fresh(), []
    own, mail = await held(post, sender)
    renew = inbound.renew

    async def fails(*arguments: Any) -> Any:
        tries.append(1)
        if len(tries) < 3:
            raise ValueError("a fault of ours")
        return await renew(*arguments)

    monkeypatch.setattr(inbound, "renew", fails)
    monkeypatch.setattr(own, "lease_seconds", 0.3)
    task = asyncio.create_task(asyncio.sleep(3600))
    own.busy[mail] = task
    keeper = asyncio.create_task(own.keep())
    await leased_by_another(post, mail)
    async with asyncio.timeout(5):
        await asyncio.wait([task])
    keeper.cancel()
    assert (task.cancelled(), len(tries)) == (True, 3)
    monkeypatch.undo()
    await freed(post, sender)
    await post.settled([mail.id])


async def test_large_mails_are_taken_in_one_at_a_time_and_keep_no_small_one_waiting(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, small = [fresh("large") for _ in range(3)], [fresh() for _ in range(10)]
    working, most = set(), []
    judge, blocked = Clerk.judge, asyncio.Event()

    async def slowly(self: Clerk, connection: Any, row: Any, mail: Any) -> Any:
        if row["author"] in large:
            working.add(row["id"])
            most.append(len(working))
            await blocked.wait()
            working.discard(row["id"])
        return await judge(self, connection, row, mail)

    monkeypatch.setattr(Clerk, "judge", slowly)
    picture = {"picture.bin": bytes(intake.ALONE_BYTES * 3 // 4)}
    for sender in large:
        await post.send(letter(sender=sender, files=picture), settle=False)
    for sender in small:
        await post.send(letter(sender=sender))
    waiting = [row for sender in large for row in await mine(post, sender)]
    assert sorted(row["attempts"] for row in waiting) == [0, 0, 1]
    assert all(row["size"] >= intake.ALONE_BYTES for row in waiting)
    blocked.set()
    await post.settled([row["id"] for row in waiting])
    assert most == [1, 1, 1]
