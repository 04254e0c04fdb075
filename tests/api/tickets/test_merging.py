"""Merging over HTTP: D14, D15 and D17 of the reference on the real stack."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api.front import places, problem, some_id
from tests.api.tickets.office import Office, eventually, fresh, path


async def merged(office: Office, source: dict[str, Any], into: dict[str, Any], **headers: str) -> dict[str, Any]:
    """The source after the merge."""
    response = await office.call("agent", "POST", path(source) + "/merge", json={"intoId": into["id"]}, headers=headers)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_the_source_is_closed_and_says_where_it_went_on(office: Office) -> None:
    source, target = await office.opened(), await office.opened()
    after = await merged(office, source, target)
    assert (after["status"], after["mergedInto"], after["allowedTransitions"]) == ("CLOSED", target["id"], [])
    assert (await office.read(source))["mergedInto"] == target["id"]


async def test_d14_the_promises_of_the_source_end_and_say_that_it_was_merged(
    office: Office,
) -> None:
    tag = fresh()
    source, target = await office.opened(tags=[tag]), await office.opened()
    await merged(office, source, target)
    clocks = (await office.call("agent", "GET", path(source) + "/sla")).json()["clocks"]
    assert {clock["state"] for clock in clocks} == {"CANCELLED"}
    assert all("merged" in clock["explanation"] for clock in clocks)
    assert await office.found(tag=tag, slaState=["ok", "breached", "paused", "at_risk"]) == []


async def test_the_target_takes_over_the_customers_wait_and_hears_of_it(office: Office) -> None:
    target = await office.opened(assigneeId=str(office.front.seed.users["agent"]))
    await office.commented(target)  # answered: from now on only an open question makes somebody wait
    source = await office.opened("customer", channel="PORTAL")
    await merged(office, source, target)
    [(state,)] = await office.rows(
        "select snapshot -> 'state' from ticket_history where process_id = %s order by revision desc limit 1",
        target["id"],
    )
    assert state["merged_from"] == [source["id"]]
    assert len(state["unanswered"]) == 1


async def test_d15_nothing_is_merged_into_a_closed_ticket(office: Office) -> None:
    source, target = await office.opened(), await office.opened()
    for status in ("RESOLVED", "CLOSED"):
        await office.patched(target, status=status)
    response = await office.call("agent", "POST", path(source) + "/merge", json={"intoId": target["id"]})
    problem(response, 409, "merge-target-final")
    assert (await office.read(source))["status"] == "NEW"


async def test_d15_a_wait_reopens_a_resolved_target(office: Office) -> None:
    source, target = await office.opened(), await office.opened()
    await office.patched(target, status="RESOLVED")
    await merged(office, source, target)
    assert (await office.read(target))["status"] == "OPEN"


async def test_d15_the_first_response_of_the_target_counts_from_the_older_wait(office: Office) -> None:
    promised = {"slaTier": "PREMIUM", "severity": "SEV1", "customerEmail": f"{fresh()}@nobody.example"}
    source, target, answered = [await office.opened(**promised) for _ in range(3)]
    await merged(office, source, target)
    await office.commented(answered)
    await merged(office, answered, target)
    found = (await office.call("agent", "GET", path(target) + "/sla")).json()["clocks"]
    [clock] = [each for each in found if each["kind"] == "FIRST_RESPONSE"]
    opened = datetime.fromisoformat(source["createdAt"])
    assert (clock["state"], clock["cycle"], clock["startedAt"]) == ("RUNNING", 1, source["createdAt"])
    assert datetime.fromisoformat(clock["deadlineAt"]) == opened + timedelta(minutes=15)
    assert f"from {opened:%Y-%m-%d %H:%M:%S} UTC on" in clock["explanation"]
    assert clock["segments"][0]["from"] == source["createdAt"]
    assert (await office.read(target))["sla"]["nextDeadlineAt"] == clock["deadlineAt"]
    told = [each["summary"] for each in await office.listed(url=path(target) + "/history")]
    assert sum("when the customer of the merged ticket asked" in each for each in told) == 1


async def test_d17_of_two_merges_that_cross_each_other_one_wins(office: Office) -> None:
    for _ in range(5):
        one, other = await office.opened(), await office.opened()
        answers = await asyncio.gather(
            *(
                office.call("agent", "POST", path(a) + "/merge", json={"intoId": b["id"]})
                for a, b in ((one, other), (other, one))
            )
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        stands = {(await office.read(ticket))["status"] for ticket in (one, other)}
        assert "CLOSED" in stands
        assert len(stands) == 2


async def test_d17_what_cannot_be_merged_says_why(office: Office) -> None:
    one, other, third = await office.opened(), await office.opened(), await office.opened()
    await merged(office, one, other)

    async def tried(source: dict[str, Any], into: Any, who: str = "agent") -> Any:
        return await office.call(who, "POST", path(source) + "/merge", json={"intoId": into})

    problem(await tried(third, one["id"]), 409, "merge-target-final")
    problem(await tried(one, third["id"]), 409, "ticket-final")
    assert places(problem(await tried(third, third["id"]), 422, "invalid")) == {"/intoId"}
    problem(await tried(third, some_id()), 404, "not-found")
    foreign = await office.front.created(
        "otherAdmin", "/api/tickets", {"customerEmail": "a@b.example", "subject": "S", "description": "D"}
    )
    problem(await tried(third, foreign["id"]), 404, "not-found")
    problem(await tried(foreign, third["id"]), 404, "not-found")
    problem(await tried(third, other["id"], "customer"), 403, "role-too-low")
    assert (await office.read(third))["status"] == "NEW"


async def test_a_repeat_under_the_same_key_gets_the_first_answer(office: Office) -> None:
    source, target = await office.opened(), await office.opened()
    key = fresh()
    first = await merged(office, source, target, **{"Idempotency-Key": key})
    assert await merged(office, source, target, **{"Idempotency-Key": key}) == first


async def test_a_later_reply_to_the_source_lands_on_the_target_through_a_chain_too(office: Office) -> None:
    first, second, third = [await office.opened("customer", channel="PORTAL") for _ in range(3)]
    await merged(office, first, second)
    await merged(office, second, third)
    said = await office.commented(first, "customer", body="And one more thing")
    assert said["ticketId"] == third["id"]
    bodies = [each["body"] for each in await office.listed(url=path(third) + "/comments")]
    assert bodies == ["And one more thing"]


async def test_a_reply_to_the_source_follows_up_where_the_target_is_over_too(office: Office) -> None:
    source, target = await office.opened(), await office.opened()
    await merged(office, source, target)
    said = await office.commented(source, "customer")
    assert said["ticketId"] == target["id"]
    for status in ("RESOLVED", "CLOSED"):
        await office.patched(target, status=status)
    key = fresh()
    url = path(source) + "/comments"
    first = await office.front.created("customer", url, {"body": "Again!"}, **{"Idempotency-Key": key})
    follow_up = await office.read({"id": first["ticketId"]})
    assert follow_up["followUpOf"] == source["id"]
    again = await office.front.created("customer", url, {"body": "Again!"}, **{"Idempotency-Key": key})
    assert (again["id"], again["ticketId"]) == (first["id"], first["ticketId"])
    refused = await office.call("agent", "POST", url, json={"body": "And we?"})
    problem(refused, 409, "ticket-final")


async def test_a_reply_that_came_while_its_ticket_was_merged_lands_on_the_target(office: Office) -> None:
    for _ in range(5):
        source, target = await office.opened(), await office.opened()
        said, _ = await asyncio.gather(office.commented(source, "customer"), merged(office, source, target))
        assert said["ticketId"] in (source["id"], target["id"])
        assert (await office.read({"id": said["ticketId"]}))["followUpOf"] is None


async def test_a_file_for_the_source_comes_through_a_chain_of_merges(office: Office) -> None:
    first, second, third = [await office.opened() for _ in range(3)]
    files = {"file": ("log.txt", b"all is well")}
    uploaded = await office.call("customer", "POST", path(first) + "/attachments", files=files)
    await merged(office, first, second)
    await merged(office, second, third)
    said = await office.commented(first, "customer", attachmentIds=[uploaded.json()["id"]])
    assert (said["ticketId"], [each["fileName"] for each in said["attachments"]]) == (third["id"], ["log.txt"])


async def test_a_merge_whose_api_died_is_made_whole_by_its_job(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = office.front.app.state.services.desk

    async def died(*_: Any) -> None:
        """The process ended between the source's decision and the target's."""

    monkeypatch.setattr(type(desk.merging), "soon", died)
    source, target = await office.opened(), await office.opened()
    await office.patched(target, status="RESOLVED")
    await merged(office, source, target)
    await eventually(20, lambda: reopened(office, target))


async def reopened(office: Office, ticket: dict[str, Any]) -> bool:
    """Whether a ticket is open again."""
    return (await office.read(ticket))["status"] == "OPEN"


async def test_a_repeat_after_the_target_was_merged_on_gets_its_first_answer(office: Office) -> None:
    first, second, third = [await office.opened() for _ in range(3)]
    await merged(office, first, second)
    key, url = {"Idempotency-Key": fresh()}, path(first) + "/comments"
    said = await office.call("agent", "POST", url, json={"body": "Good news"}, headers=key)
    assert (said.status_code, said.json()["ticketId"]) == (201, second["id"])
    await merged(office, second, third)
    again = await office.call("agent", "POST", url, json={"body": "Good news"}, headers=key)
    assert (again.status_code, again.json()) == (201, said.json())
    problem(await office.call("agent", "POST", url, json={"body": "Other news"}, headers=key), 422, "key-reused")
    assert await office.listed(url=path(third) + "/comments") == []
