"""The loop itself: woken when something is posted, undisturbed by what is away, finishing what it has begun."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import psycopg

from activities.notifications import bell
from activities.notifications.making import make_dispatcher
from runtime.embedded.processes import until
from tests.api.front import settings_for
from tests.notifications.mailroom import Mailroom


@asynccontextmanager
async def running(room: Mailroom) -> AsyncIterator[None]:
    """The dispatcher's own loop."""
    pool = room.dispatcher.lanes[0].courier.pool  # type: ignore[attr-defined]
    settings = settings_for(
        room.database.app, smtp_host="127.0.0.1", smtp_port=room.mail.port, smtp_tls="off", mail_from="a@b.example"
    )
    dispatcher = make_dispatcher(settings, pool)
    task = asyncio.create_task(dispatcher.run())
    try:
        yield
    finally:
        dispatcher.stop()
        await asyncio.wait_for(task, 10)


def came(room: Mailroom, count: int) -> Callable[[], Coroutine[Any, Any, bool]]:
    """Whether so many mails have come."""

    async def asked() -> bool:
        return len(room.mail.taken) >= count

    return asked


async def test_what_is_posted_wakes_the_idle_dispatcher(room: Mailroom, monkeypatch: Any) -> None:
    monkeypatch.setattr(bell, "POLL_SECONDS", 3600.0)
    async with running(room):
        for count in range(1, 4):
            await until(idle(room), seconds=10)
            await room.post()
            await until(came(room, count), seconds=10)


def idle(room: Mailroom) -> Callable[[], Coroutine[Any, Any, bool]]:
    """Whether a dispatcher holds the lock that says so."""

    async def asked() -> bool:
        locks = await room.rows(
            "select 1 from pg_locks l join pg_stat_activity a using (pid) where locktype = 'advisory' and mode = 'ExclusiveLock'"
            " and a.datname = current_database() and a.application_name = 'summit-dispatcher'"
        )
        return bool(locks)

    return asked


async def test_nobody_rings_while_nobody_waits(room: Mailroom) -> None:
    async with await psycopg.AsyncConnection.connect(room.database.owner.conninfo(), autocommit=True) as listener:
        await listener.execute(f"listen {bell.CHANNEL}")
        await room.post()
        await room.post("ticket_assigned", str(room.seed.users["agent"]), "IN_APP")
        async for _ in listener.notifies(timeout=0.3):
            raise AssertionError("a notification was sent though no dispatcher was idle")


async def test_the_loop_outlives_connections_that_the_server_ends(room: Mailroom) -> None:
    async with running(room):
        await until(idle(room), seconds=10)
        await room.rows(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name in ('summit-dispatcher', 'summit-worker')"
            " and datname = current_database()"
        )
        await room.post()
        await until(came(room, 1), seconds=20)


async def test_two_dispatchers_share_the_work(room: Mailroom) -> None:
    rows = [await room.post() for _ in range(60)]
    async with running(room), running(room):
        await until(came(room, len(rows)), seconds=20)
    ids = [str(mail["Message-ID"]) for mail in room.mail.taken]
    assert len(ids) == len(set(ids)) == len(rows)


async def test_upkeep_drops_old_events(room: Mailroom) -> None:
    await room.event("ticket.old")
    await room.rows("update events set at = now() - interval '8 days'")
    await room.event("ticket.young")
    await room.dispatcher.upkeep()
    assert [row["type"] for row in await room.rows("select type from events")] == ["ticket.young"]
