"""Mail while the process that takes it is killed again and again: what was acknowledged is a ticket, and none is two."""

import asyncio
import contextlib
import smtplib
import time
import uuid
from collections.abc import Mapping
from typing import Any, Final

import psycopg

from tests.chaos.findings import Finding
from tests.chaos.installation import Installation

SENDERS: Final = 16
"""Mail servers at a time."""

COUNTED: Final = """
select count(*) filter (where n = 0) as lost, count(*) filter (where n > 1) as doubled from (
  select m.mail, (select count(*) from support_tickets t where t.subject = m.mail) as n from unnest(%s::text[]) m(mail)
) each
"""
UNSETTLED: Final = "select count(*) from inbound_mails where subject = any(%s) and state <> 'DONE'"


def deliver(port: int, recipient: str, subject: str, until: float) -> int:
    """Hand a mail over as a mail server does, again until it is acknowledged or it is `until`; how often it was tried."""
    raw = f"From: {subject}@shop.example\r\nTo: {recipient}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x>\r\n\r\nHelp."
    tries = 0
    while True:
        tries += 1
        try:
            with smtplib.SMTP("127.0.0.1", port, local_hostname="mx.example", timeout=10) as client:
                client.sendmail(f"{subject}@shop.example", [recipient], raw.encode())
                return tries
        except (OSError, smtplib.SMTPException):
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


async def deliver_all(stack: Mapping[str, Any], count: int, seconds: float = 240) -> tuple[list[str], int]:
    """Mails from as many people, by several servers at once; their subjects, and how often one had to be sent again."""
    subjects = [uuid.uuid4().hex for _ in range(count)]
    room, until = asyncio.Semaphore(SENDERS), time.monotonic() + seconds

    async def one(subject: str) -> int:
        async with room:
            return await asyncio.to_thread(deliver, stack["smtpPort"], stack["supportAddress"], subject, until)

    tries = await asyncio.gather(*map(one, subjects))
    return subjects, sum(tries) - count


async def settled(database_url: str, subjects: list[str], seconds: float = 120) -> tuple[int, int]:
    """Until all have become tickets: how many are lost, and how many are more than one."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = await (await connection.execute(UNSETTLED, (subjects,))).fetchone()
            if found == (0,):
                break
            await asyncio.sleep(0.2)
        counted = await (await connection.execute(COUNTED, (subjects,))).fetchone()
    assert counted is not None
    return int(counted[0]), int(counted[1])


async def taken_in(installation: Installation, count: int = 500) -> list[Finding]:
    """Mails come in while the API is killed again and again, and worker, Postgres and Temporal once. Needs the supervisor."""
    killer = asyncio.create_task(keep_killing(installation))
    begun = time.monotonic()
    try:
        subjects, again = await deliver_all(installation.published, count)
    finally:
        killer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await killer
    await installation.ready()
    lost, doubled = await settled(installation.published["databaseUrl"], subjects)
    wrong = [f"{lost} mails are no ticket"] * bool(lost) + [f"{doubled} mails are several tickets"] * bool(doubled)
    note = f"{again} sent again, all settled after {time.monotonic() - begun:.0f} s"
    return [Finding("mail through kill -9 becomes one ticket each", count, wrong, note)]


async def keep_killing(installation: Installation) -> None:
    """Kill the API, and now and then something else, once the one before is back."""
    for piece in ("api", "api", "worker", "api", "postgres", "api", "temporal", *["api"] * 100):
        await asyncio.sleep(1.0)
        old = installation.published["pids"][piece]
        await installation.kill(piece)
        await installation.back(piece, old)
