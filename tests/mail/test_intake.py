"""Mail that was acknowledged is taken in once, whatever dies, is away or breaks on the way."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from api.errors import Unavailable
from api.mail import intake
from api.mail.clerk import Clerk
from api.mail.filing import Filing, Letter
from api.mail.intake import Intake
from api.mail.making import make_intake
from api.processes import Processes
from api.runner import LeaseLost
from db import inbound
from db.inbound import Leased
from tests.api.front import front
from tests.mail.postoffice import PostOffice, answer, fresh, letter


@asynccontextmanager
async def nobody_working(post: PostOffice) -> AsyncIterator[None]:
    """Leases of processes that are gone, on whatever comes meanwhile: the intake finds nothing to do."""
    await post.rows(
        "create or replace function held() returns trigger language plpgsql as $$ begin"
        " new.lease_id := gen_random_uuid(); new.leased_until := now() + interval '1 hour'; return new; end $$;"
        "create or replace trigger held before insert on inbound_mails for each row execute function held()"
    )
    try:
        yield
    finally:
        await post.rows("drop trigger held on inbound_mails")


async def freed(post: PostOffice, sender: str) -> None:
    """The leases end."""
    await post.rows("update inbound_mails set leased_until = now() where author = %(who)s", who=sender)


async def mine(post: PostOffice, sender: str) -> list[dict[str, Any]]:
    return await post.rows("select * from inbound_mails where author = %(who)s order by received_at, id", who=sender)


async def tickets(post: PostOffice, sender: str) -> int:
    [row] = await post.rows("select count(*) as n from support_tickets where customer_email = %(who)s", who=sender)
    return int(row["n"])


async def held(post: PostOffice, sender: str, mail: EmailMessage | None = None) -> tuple[Intake, Leased]:
    """A process of the test's own, and a mail that it has and nobody has begun with."""
    async with nobody_working(post):
        await post.send(mail or letter(sender=sender), settle=False)
    [row] = await mine(post, sender)
    own = make_intake(post.front.app.state.services, CollectorRegistry())
    return own, Leased(row["id"], row["tenant_id"], row["lease_id"], row["size"])


async def leased_by_another(post: PostOffice, mail: Leased) -> None:
    """The lease of a mail ends, and another process has it."""
    await post.rows("update inbound_mails set lease_id = gen_random_uuid() where id = %(id)s", id=mail.id)


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
