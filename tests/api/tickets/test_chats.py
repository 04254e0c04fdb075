"""A chat over REST and the stream: who hears what while two people write, and what is missed during a cut."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest_asyncio

from cli.demo import PEOPLE
from tests.api.radio import Radio, on_air
from tests.api.tickets.office import Office, path

CASEY = {"name": PEOPLE["customer"].name, "role": "CUSTOMER"}
ALEX = {"name": PEOPLE["agent"].name, "role": "AGENT"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def radio(office: Office) -> AsyncIterator[Radio]:
    async with on_air(office.front, office.servers) as made:
        yield made


async def chat(office: Office) -> dict[str, Any]:
    """One that the customer opens."""
    ticket = await office.opened("customer", channel="CHAT", customerEmail=PEOPLE["customer"].email)
    assert ticket["channel"] == "CHAT"
    return ticket


async def types(office: Office, ticket: Mapping[str, Any], who: str, *, internal: bool = False) -> None:
    """Somebody presses keys."""
    response = await office.call(who, "POST", path(ticket) + "/typing", json={"internal": internal})
    assert response.status_code == 204, response.text


def told(events: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """What listeners need of events: their type, and which comment or who it is about."""
    return [(each["type"].removeprefix("ticket."), each.get("commentId") or each.get("by")) for each in events]


async def test_both_sides_of_a_chat_hear_each_other_and_a_note_stays_among_the_staff(
    office: Office, radio: Radio
) -> None:
    async with radio.listen("agent") as agent, radio.listen("customer") as customer:
        ticket = await chat(office)
        await types(office, ticket, "customer")
        asked = await office.commented(ticket, "customer", body="Are you there?")
        await types(office, ticket, "agent", internal=True)
        note = await office.commented(ticket, body="It is them again.", internal=True)
        await types(office, ticket, "agent")
        answer = await office.commented(ticket, body="I am.", status="PENDING_CUSTOMER")
        thanks = await office.commented(ticket, "customer", body="Good.")
        opening = [("created", None), ("typing", CASEY), ("commented", asked["id"])]
        hidden = [("typing", ALEX), ("commented", note["id"])]
        rest = [
            ("typing", ALEX),
            ("commented", answer["id"]),
            ("updated", None),
            ("commented", thanks["id"]),
            ("updated", None),
        ]
        assert told(await agent.hear_of(ticket["id"], 10)) == [*opening, *hidden, *rest]
        assert told(await customer.hear_of(ticket["id"], 8)) == [*opening, *rest]
    assert [each["id"] for each in await office.listed("customer", path(ticket) + "/comments", sort="createdAt")] == [
        each["id"] for each in (asked, answer, thanks)
    ]


async def test_who_was_cut_off_in_a_chat_hears_what_was_said_meanwhile_once(office: Office, radio: Radio) -> None:
    async with radio.listen("agent") as agent, radio.listen("customer") as customer:
        ticket = await chat(office)
        first = await office.commented(ticket, "customer", body="Are you there?")
        for ear in (agent, customer):
            assert told(await ear.hear_of(ticket["id"], 2)) == [("created", None), ("commented", first["id"])]
    note = await office.commented(ticket, body="It is them again.", internal=True)
    await types(office, ticket, "agent")
    answer = await office.commented(ticket, body="I am.")
    missed = [("typing", ALEX), ("commented", answer["id"])]
    async with radio.listen("agent", agent.last_id) as here, radio.listen("customer", customer.last_id) as there:
        assert (here.last_id, there.last_id) == (agent.last_id, customer.last_id)
        last = await office.commented(ticket, "customer", body="Good.")
        live = ("commented", last["id"])
        assert told(await here.hear_of(ticket["id"], 4)) == [("commented", note["id"]), *missed, live]
        assert told(await there.hear_of(ticket["id"], 3)) == [*missed, live]
    async with radio.listen("customer", there.last_id) as again:
        end = await office.commented(ticket, body="Bye.")
        assert told(await again.hear_of(ticket["id"], 1)) == [("commented", end["id"])]


async def test_a_stranger_hears_nothing_of_a_chat_and_cannot_say_that_they_write(office: Office, radio: Radio) -> None:
    async with radio.listen("otherAdmin") as other, radio.listen("agent") as agent:
        ticket = await chat(office)
        await types(office, ticket, "customer")
        refused = await office.call("otherAdmin", "POST", path(ticket) + "/typing", json={})
        assert refused.status_code == 404
        await radio.happen("ticket.elsewhere", who="otherAdmin")
        assert await other.hear(1) == ["ticket.elsewhere"]
        assert told(await agent.hear_of(ticket["id"], 2)) == [("created", None), ("typing", CASEY)]
