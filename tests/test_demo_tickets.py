"""A new installation shows tickets with a history, and telling it twice adds nothing."""

from collections import Counter
from typing import Any

import httpx

from cli.demo_records import RECORDS
from cli.demo_tickets import LAST, STORIES, Teller, tell_demo


async def tickets(summit: dict[str, Any], login: str = "agent", **query: str) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {summit['tokens'][login]}"}
    async with httpx.AsyncClient(base_url=summit["apiUrl"], headers=headers) as client:
        answer = await client.get("/api/tickets", params={"limit": "100", **query})
    found: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
    return found


async def test_a_new_installation_shows_tickets_in_every_stage_of_their_lives(summit: dict[str, Any]) -> None:
    await tell_demo(summit["apiUrl"], summit["tokens"], print)
    found = Counter(ticket["status"] for ticket in await tickets(summit, tag="demo"))
    assert found.keys() == {
        *("NEW", "OPEN", "IN_PROGRESS", "PENDING_CUSTOMER", "PENDING_INTERNAL", "RESOLVED", "CLOSED", "CANCELLED")
    }
    assert {ticket["sla"]["nextKind"] for ticket in await tickets(summit, tag="demo", status="RESOLVED")} == {
        "AUTO_CLOSE"
    }
    assert all(ticket["sla"]["nextKind"] for ticket in await tickets(summit, tag="demo", status=["NEW", "OPEN"]))
    assert len(await tickets(summit, "otherAdmin")) == 2


async def test_a_closed_ticket_has_a_customers_follow_up(summit: dict[str, Any]) -> None:
    await tell_demo(summit["apiUrl"], summit["tokens"], print)
    [closed] = await tickets(summit, tag="demo", status="CLOSED")
    assert [ticket for ticket in await tickets(summit) if ticket["followUpOf"] == closed["id"]]


async def test_stories_told_again_add_nothing(summit: dict[str, Any]) -> None:
    teller = Teller(summit["apiUrl"], summit["tokens"])
    await teller.tell_all()
    await teller.meet()
    before = await tickets(summit), await tickets(summit, "otherAdmin")
    for story in (*STORIES, LAST):
        await teller.tell(story)
    assert (await tickets(summit), await tickets(summit, "otherAdmin")) == before
    assert await teller.tell_all() == 0


async def test_the_desk_has_what_it_works_with_and_each_once(summit: dict[str, Any]) -> None:
    teller = Teller(summit["apiUrl"], summit["tokens"])
    await teller.tell_all()
    await teller.meet()
    for record in RECORDS:
        await teller.furnish(record)
        kept = (await teller.call(record.who, "GET", record.path))["data"]
        assert [each[record.named_by] for each in kept].count(record.fields[record.named_by]) == 1


async def test_what_cannot_be_told_is_one_line(summit: dict[str, Any]) -> None:
    said: list[str] = []
    await tell_demo(summit["apiUrl"], dict.fromkeys(summit["tokens"], "forged"), said.append)
    assert len(said) == 1
    assert "401" in said[0]
