"""One mailroom for all tests of deliveries."""

from collections.abc import AsyncIterator

import pytest_asyncio

from runtime import logs
from runtime.settings import PostgresSettings
from tests import stack
from tests.api.front import seeded
from tests.notifications.mailroom import Mailroom, mailroom


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_room(postgres_superuser: PostgresSettings) -> AsyncIterator[Mailroom]:
    """On a database of its own, so that nobody else's rows are delivered."""
    logs.configure("critical", "tests")
    async with stack.database(postgres_superuser, "summit_mailroom") as database:
        seed = await seeded(database)
        async with mailroom(database, seed) as room:
            yield room


@pytest_asyncio.fixture(loop_scope="session")
async def room(shared_room: Mailroom) -> Mailroom:
    """The mailroom, as if nothing had been sent yet."""
    await shared_room.rows("delete from notifications")
    await shared_room.rows("delete from webhooks")
    await shared_room.rows("update mailboxes set is_default = false, active = false")
    for table in ("mail_suppressions", "mail_refusals"):
        await shared_room.rows(f"delete from {table}")
    shared_room.mail.taken.clear()
    shared_room.mail.tried.clear()
    shared_room.receiver.got.clear()
    shared_room.receiver.answers.clear()
    shared_room.mail.judge = lambda _: None
    shared_room.mail.weigh = lambda _: None
    shared_room.mail.envelopes.clear()
    shared_room.mail.sessions.clear()
    return shared_room
