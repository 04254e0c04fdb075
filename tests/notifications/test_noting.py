"""What was delivered is noted many at a time, and nobody's note is lost in another's."""

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from activities.notifications.noting import Noting
from tests.notifications.mailroom import Mailroom


class Book:
    """Takes notes down, and fails when it is told to."""

    def __init__(self) -> None:
        self.pages: list[list[UUID]] = []
        self.torn = False

    async def write(self, rows: Sequence[UUID]) -> None:
        self.pages.append(list(rows))
        await asyncio.sleep(0)
        if self.torn:
            raise OSError("torn")


async def test_what_comes_together_is_noted_together() -> None:
    book, ids = Book(), [uuid.uuid4() for _ in range(20)]
    noting = Noting(book.write)
    await asyncio.gather(*map(noting.note, ids))
    assert book.pages == [ids]
    await noting.note(ids[0])
    assert book.pages[1:] == [ids[:1]]


async def test_each_hears_of_a_failure_and_later_ones_are_noted() -> None:
    book, noted = Book(), uuid.uuid4()
    book.torn = True
    noting = Noting(book.write)
    heard = await asyncio.gather(noting.note(uuid.uuid4()), noting.note(uuid.uuid4()), return_exceptions=True)
    assert [type(each) for each in heard] == [OSError, OSError]
    book.torn = False
    await noting.note(noted)
    assert book.pages[-1] == [noted]


async def test_one_who_is_cancelled_keeps_nobody_else_from_being_noted() -> None:
    book, other = Book(), uuid.uuid4()
    noting = Noting(book.write)
    gone, stays = asyncio.create_task(noting.note(uuid.uuid4())), asyncio.create_task(noting.note(other))
    await asyncio.sleep(0)
    gone.cancel()
    await stays
    assert other in book.pages[0]


async def test_a_mail_takes_no_connection_of_its_own(room: Mailroom, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(20):
        await room.post()
    pool = room.dispatcher.lanes[0].courier.pool  # type: ignore[attr-defined]
    taken, connection = [], pool.connection

    def counted(*arguments: Any, **options: Any) -> Any:
        taken.append(1)
        return connection(*arguments, **options)

    monkeypatch.setattr(pool, "connection", counted)
    await room.dispatcher.drain()
    assert len(room.mail.taken) == 20
    assert len(taken) < 20


async def test_an_odd_row_does_not_spoil_the_others_of_its_batch(room: Mailroom) -> None:
    odd = await room.post("ticket_reply", commentId="none at all")
    await room.post()
    await room.dispatcher.drain()
    assert len(room.mail.taken) == 1
    assert (await room.row(odd))[
        "last_error"
    ] == "The template 'ticket_reply' cannot be filled (number, subject, comment)."
