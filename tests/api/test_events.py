"""The live stream over a real connection: who hears what, and that nothing is missed between two connections."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from api.auth import Caller
from api.live import MOST_WAITING, Listener, Live, may_know
from cli.demo import PEOPLE
from domain.customers import Tier
from domain.identity import Actor, Role
from tests.api.front import Front, problem
from tests.api.keys import made
from tests.api.radio import EVENT, Radio, on_air
from tests.stack import Database


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def radio(api: Front, postgres: Database) -> AsyncIterator[Radio]:
    async with on_air(api, postgres) as made:
        yield made


async def test_everybody_hears_what_concerns_them_and_nothing_else(radio: Radio) -> None:
    account = radio.api.seed.accounts[Tier.ENTERPRISE]
    async with (
        radio.listen("agent") as agent,
        radio.listen("customer") as customer,
        radio.listen("otherAdmin") as other,
    ):
        await radio.happen("ticket.secret", internal=True, account=account, address=PEOPLE["customer"].email)
        await radio.happen("ticket.strangers", account=radio.api.seed.accounts[Tier.BASIC], address="x@y.example")
        await radio.happen("ticket.account", account=account, address="x@y.example")
        await radio.happen("ticket.own", address=PEOPLE["customer"].email)
        await radio.happen("ticket.globex", who="otherAdmin", internal=True)
        assert await agent.hear(4) == ["ticket.secret", "ticket.strangers", "ticket.account", "ticket.own"]
        assert await customer.hear(2) == ["ticket.account", "ticket.own"]
        assert await other.hear(1) == ["ticket.globex"]


async def test_events_are_numbered_in_the_order_in_which_they_happened(radio: Radio) -> None:
    async with radio.listen("agent") as ear:
        await radio.happen("ticket.first")
        await radio.happen("ticket.second")
        first, second = await ear.events(2)
    assert (first["type"], second["type"]) == ("ticket.first", "ticket.second")
    assert first["sequence"] < second["sequence"]
    assert ear.last_id.endswith(f"-{second['sequence']}")


async def test_who_comes_back_misses_nothing_and_hears_nothing_twice(radio: Radio) -> None:
    async with radio.listen("agent") as ear:
        silent = ear.last_id
        await radio.happen("ticket.first")
        assert await ear.hear(1) == ["ticket.first"]
        seen = ear.last_id
    for number in range(3):
        await radio.happen(f"ticket.missed_{number}")
    async with radio.listen("agent", seen) as ear:
        assert ear.last_id == seen
        assert await ear.hear(3) == [f"ticket.missed_{number}" for number in range(3)]
        await radio.happen("ticket.live")
        assert await ear.hear(1) == ["ticket.live"]
    async with radio.listen("agent", silent) as ear:
        assert await ear.hear(5) == ["ticket.first", *(f"ticket.missed_{n}" for n in range(3)), "ticket.live"]


async def test_a_late_commit_is_heard_by_who_listens_and_by_who_comes_back(radio: Radio) -> None:
    tenant = radio.api.seed.tenant_id
    async with radio.listen("agent") as ear:
        start = ear.last_id
        async with await psycopg.AsyncConnection.connect(radio.database.owner.conninfo()) as slow:
            await slow.execute(EVENT, (tenant, "ticket.late", False, None, None))
            await radio.happen("ticket.quick")
            async with radio.listen("lead", start):
                pass
            await slow.commit()
        assert await ear.hear(2) == ["ticket.late", "ticket.quick"]
    async with radio.listen("lead", start) as ear:
        assert await ear.hear(2) == ["ticket.late", "ticket.quick"]


async def test_a_customer_who_comes_back_is_told_no_more_than_before(radio: Radio) -> None:
    async with radio.listen("customer") as ear:
        start = ear.last_id
    await radio.happen("ticket.hidden", internal=True, address=PEOPLE["customer"].email)
    await radio.happen("ticket.shown", address=PEOPLE["customer"].email)
    async with radio.listen("customer", start) as ear:
        assert await ear.hear(1) == ["ticket.shown"]


async def test_the_stream_ends_when_the_user_is_deactivated(radio: Radio) -> None:
    body = {"email": f"{uuid.uuid4().hex}@people.example", "name": "Leaver", "role": "AGENT"}
    user = await radio.api.created("admin", "/api/users", body)
    async with radio.listen("agent", user_id=uuid.UUID(user["id"])) as ear:
        await radio.api.call("admin", "PATCH", f"/api/users/{user['id']}", json={"active": False})
        assert await ear.ends()


async def test_a_key_listens_like_the_staff_until_it_is_revoked(radio: Radio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.live.CHECK_SECONDS", 0.0)
    key = await made(radio.api, "AGENT", "events:read")
    async with radio.listen(key["key"]) as ear:
        for number in range(3):
            await radio.happen(f"ticket.key_{number}", internal=True)
            assert await ear.hear(1) == [f"ticket.key_{number}"], "each look asks whether it may still listen"
        await radio.api.call("admin", "DELETE", f"/api/api-keys/{key['id']}")
        assert await ear.ends()


async def test_the_stream_of_a_key_ends_when_the_key_expires(radio: Radio) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=2)
    key = await made(radio.api, "AGENT", expiresAt=soon.isoformat())
    async with radio.listen(key["key"]) as ear:
        assert await ear.ends()
    assert datetime.now(UTC) >= soon


async def test_many_listeners_are_one_reader_of_the_database(radio: Radio) -> None:
    live = radio.api.app.state.services.live
    rounds = 0
    look = live._round

    async def counted() -> bool:
        nonlocal rounds
        rounds += 1
        more: bool = await look()
        return more

    live._round = counted
    try:
        async with (
            radio.listen("agent") as one,
            radio.listen("lead") as two,
            radio.listen("admin") as three,
        ):
            before = rounds
            await radio.happen("ticket.shared")
            heard = await asyncio.gather(one.hear(1), two.hear(1), three.hear(1))
            assert heard == [["ticket.shared"]] * 3
            assert 1 <= rounds - before <= 3
    finally:
        live._round = look


async def test_a_position_that_we_never_gave_out_is_refused(api: Front) -> None:
    answer = await api.call("agent", "GET", "/api/events", headers={"Last-Event-ID": "yesterday"})
    problem(answer, 422, "invalid")


async def test_a_question_for_the_head_alone_is_answered_at_once(api: Front) -> None:
    answer = await api.call("agent", "HEAD", "/api/events")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


def somebody(api: Front, role: Role = Role.AGENT) -> Caller:
    """A caller who listens without HTTP."""
    return Caller(api.seed.tenant_id, api.seed.users["agent"], Actor(role=role, email="A@shop.example"), "UTC", {})


async def test_the_streams_end_with_the_process_and_with_the_token(api: Front) -> None:
    live = Live(api.app.state.services.engine)
    task = asyncio.create_task(live.run())
    lasting, brief = live.listen(somebody(api), None, 3600), live.listen(somebody(api), None, 0.5)
    async with asyncio.timeout(20):
        for stream in (lasting, brief):
            assert (await anext(stream))[1] is None
        assert [event async for event in brief] == []
        task.cancel()
        assert [event async for event in lasting] == []
    assert (live.present, live.joining) == (set(), set())


async def test_who_is_too_slow_is_hung_up_on(api: Front) -> None:
    slow = Listener(somebody(api))
    for _ in range(MOST_WAITING + 1):
        slow.hear({"internal": False})  # type: ignore[arg-type]
    assert slow.closed
    assert slow.waiting.get_nowait() is None
    assert slow.waiting.empty()


@pytest.mark.parametrize(
    ("event", "known"),
    [
        ({"internal": True, "account_id": None, "address": "a@shop.example"}, False),
        ({"internal": False, "account_id": None, "address": "a@shop.example"}, True),
        ({"internal": False, "account_id": None, "address": None}, False),
    ],
)
async def test_a_customer_without_an_account_hears_of_the_own_address(
    api: Front, event: dict[str, Any], known: bool
) -> None:
    assert may_know(somebody(api, Role.CUSTOMER), event) is known  # type: ignore[arg-type]


class Blind(Live):
    """A pump whose database is away."""

    rounds = 0

    async def _round(self) -> bool:
        self.rounds += 1
        await asyncio.sleep(0)
        raise OSError


async def test_a_database_that_is_away_is_not_asked_without_a_pause(
    api: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.live.EVERY_SECONDS", 3600)
    live = Blind(api.app.state.services.engine)
    live.joining.add(Listener(somebody(api)))
    task = asyncio.create_task(live.run())
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert live.rounds == 1
