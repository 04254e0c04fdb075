"""Addresses that get no mail: by hand, after bounces, and after a server has refused them twice."""

from datetime import timedelta
from typing import Any

import pytest

from tests.notifications.mailroom import Mailroom, fresh_address


async def suppressed(room: Mailroom) -> list[tuple[str, str, str | None]]:
    found = await room.rows("select address, reason, status from mail_suppressions")
    return [(row["address"], row["reason"], row["status"]) for row in found]


async def refused(room: Mailroom, address: str, times: int = 1) -> list[Any]:
    """So many notices to an address that the server does not take."""
    rows = []
    for _ in range(times):
        rows.append(await room.post(recipient=address))
        await room.dispatcher.drain()
    return rows


async def test_nothing_is_sent_to_a_suppressed_address_and_the_log_says_why(room: Mailroom) -> None:
    address = fresh_address()
    agent, theirs = await room.person()
    for each in (address, theirs):
        await room.rows(
            "insert into mail_suppressions (tenant_id, address, reason) values (%(t)s, %(a)s, 'The mailbox is gone.')",
            t=room.seed.tenant_id,
            a=each,
        )
    posted = [
        await room.post(recipient=address.upper()),
        await room.post("escalated", agent, ticket=await room.ticket(), rule="R"),
    ]
    other = await room.post()
    await room.dispatcher.drain()
    for row in posted:
        found = await room.row(row)
        assert (found["last_error"], found["attempts"]) == ("suppressed: The mailbox is gone.", 1)
        assert found["dead_at"] is not None
    assert [mail["Message-ID"] for mail in room.mail.taken] == [f"<{other}@acme-support.example>"]
    assert len(room.mail.tried) == 1


async def test_another_tenants_suppression_is_none_of_ours(room: Mailroom) -> None:
    address = fresh_address()
    await room.rows(
        "insert into mail_suppressions (tenant_id, address, reason) values (%(t)s, %(a)s, 'x')",
        t=room.seed.other_tenant_id,
        a=address,
    )
    await room.post(recipient=address)
    await room.dispatcher.drain()
    assert len(room.mail.to(address)) == 1


@pytest.mark.parametrize("answer", ["550 No such user", "551 Moved", "553 5.1.3 Bad name", "550 5.1.1 Unknown"])
async def test_the_second_refusal_within_a_week_suppresses_the_address(room: Mailroom, answer: str) -> None:
    address = fresh_address()
    room.mail.judge = lambda to: answer if to == address else None
    await refused(room, address)
    assert await suppressed(room) == []
    second, third = await refused(room, address, 2)
    code = answer[:3]
    assert await suppressed(room) == [(address, f"The mail server refuses the recipient ({code}).", code)]
    assert len(room.mail.tried) == 2
    assert (await room.row(second))["last_error"] == f"The mail server refuses the recipient ({code})."
    assert (await room.row(third))["last_error"].startswith("suppressed: ")


@pytest.mark.parametrize(
    "answer", ["552 Mailbox full", "452 Mailbox full", "550 5.7.1 Blocked for spam", "554 Go away"]
)
async def test_what_is_no_fault_of_the_address_suppresses_nothing(room: Mailroom, answer: str) -> None:
    address = fresh_address()
    room.mail.judge = lambda to: answer if to == address else None
    rows = [await room.post(recipient=address) for _ in range(3)]
    for row in rows:
        await room.due_now(row)
        await room.dispatcher.drain()
    assert await suppressed(room) == []
    full = answer.startswith(("552", "452"))
    assert [(await room.row(row))["dead_at"] is None for row in rows] == [full] * 3


async def test_refusals_that_lie_a_week_apart_suppress_nothing(room: Mailroom) -> None:
    address = fresh_address()
    room.mail.judge = lambda to: "550 No" if to == address else None
    for _ in range(3):
        await refused(room, address)
        await room.rows("update mail_refusals set at = at - %(week)s", week=timedelta(days=7))
    assert await suppressed(room) == []
    assert len(await room.rows("select 1 from mail_refusals")) == 1


async def test_an_attempt_that_is_repeated_after_a_crash_is_one_refusal(room: Mailroom) -> None:
    address = fresh_address()
    room.mail.judge = lambda to: "550 No" if to == address else None
    row = await room.post("ticket_closed", address, ticket=await room.ticket())
    await room.dispatcher.drain()
    await room.rows("update notifications set dead_at = null, attempts = 1 where id = %(id)s", id=row)
    await room.due_now(row)
    await room.dispatcher.drain()
    assert len(room.mail.tried) == 2
    assert await suppressed(room) == []


async def test_nothing_is_sent_to_an_address_that_an_import_made_up(room: Mailroom) -> None:
    address = f"user-3.{fresh_address()}.invalid"
    row = await room.post(recipient=address)
    await room.dispatcher.drain()
    found = await room.row(row)
    assert (found["dead_at"] is not None, room.mail.to(address)) == (True, [])
    assert "made up" in found["last_error"]
