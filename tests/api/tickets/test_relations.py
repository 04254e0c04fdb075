"""Links, watchers, copies, mentions and calls over HTTP."""

import csv
import io
from typing import Any

import pytest

from tests.api.front import places, problem, some_id
from tests.api.tickets.office import Office, fresh, path


async def test_a_link_is_seen_from_both_ends_and_can_be_taken_away(office: Office) -> None:
    one, other = await office.opened(), await office.opened()
    body = {"type": "TICKET", "targetId": other["id"]}
    for _ in range(2):
        response = await office.call("agent", "POST", path(one) + "/links", json=body)
        assert response.status_code == 200, response.text
        assert response.json()["links"] == [body]
    [own] = await office.listed(url=path(one) + "/links")
    [theirs] = await office.listed(url=path(other) + "/links")
    assert (own["targetId"], own["outgoing"], own["number"]) == (other["id"], True, other["number"])
    assert (theirs["targetId"], theirs["outgoing"], theirs["status"]) == (one["id"], False, "NEW")
    response = await office.call("agent", "DELETE", path(one) + f"/links/TICKET/{other['id']}")
    assert response.json()["links"] == []
    assert await office.listed(url=path(other) + "/links") == []


async def test_links_are_a_list_like_any_other(office: Office) -> None:
    ticket, others = await office.opened(), [await office.opened() for _ in range(5)]
    for number, other in enumerate(others):
        one, end = (ticket, other) if number < 3 else (other, ticket)
        body = {"type": "TICKET", "targetId": end["id"]}
        assert (await office.call("agent", "POST", path(one) + "/links", json=body)).status_code == 200
    url = path(ticket) + "/links"
    walked = await office.walked(url, 2)
    assert [link["outgoing"] for link in walked] == [True, True, True, False, False]
    assert {link["targetId"] for link in walked} == {other["id"] for other in others}
    whole = (await office.call("agent", "GET", url)).json()
    assert whole == {"data": walked, "page": {"nextCursor": None, "hasMore": False}}
    file = await office.call("agent", "GET", url, headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"))))
    assert [row["number"] for row in rows] == [link["number"] for link in walked]


@pytest.mark.parametrize("kind", ["TICKET", "ARTICLE", "INCIDENT"])
async def test_a_link_to_nothing_is_refused(office: Office, kind: str) -> None:
    ticket = await office.opened()
    body = {"type": kind, "targetId": some_id()}
    response = await office.call("agent", "POST", path(ticket) + "/links", json=body)
    assert places(problem(response, 422, "invalid")) == {"/targetId"}


async def test_a_link_to_another_tenants_ticket_is_a_link_to_nothing(office: Office) -> None:
    ticket = await office.opened()
    foreign = await office.front.created(
        "otherAdmin", "/api/tickets", {"customerEmail": "a@b.example", "subject": "S", "description": "D"}
    )
    body = {"type": "TICKET", "targetId": foreign["id"]}
    response = await office.call("agent", "POST", path(ticket) + "/links", json=body)
    assert places(problem(response, 422, "invalid")) == {"/targetId"}


async def test_watchers_are_colleagues_and_customers_do_not_see_them(office: Office) -> None:
    ticket = await office.opened()
    lead, customer = (str(office.front.seed.users[who]) for who in ("lead", "customer"))
    watched = (await office.call("agent", "POST", path(ticket) + "/watchers", json={"userId": lead})).json()
    assert watched["watchers"] == [lead]
    assert (await office.read(ticket, "customer"))["watchers"] == []
    response = await office.call("agent", "POST", path(ticket) + "/watchers", json={"userId": customer})
    assert places(problem(response, 422, "invalid")) == {"/userId"}
    left = (await office.call("agent", "DELETE", path(ticket) + f"/watchers/{lead}")).json()
    assert left["watchers"] == []


async def test_an_address_is_copied_in_and_left_out(office: Office) -> None:
    ticket = await office.opened()
    copied = (await office.call("agent", "POST", path(ticket) + "/cc", json={"email": "Boss@shop.example"})).json()
    assert copied["cc"] == ["boss@shop.example"]
    out = (await office.call("agent", "DELETE", path(ticket) + "/cc/boss@shop.example")).json()
    assert out["cc"] == []
    problem(await office.call("agent", "DELETE", path(ticket) + "/cc/nonsense"), 422, "invalid")


async def test_a_colleague_who_is_copied_in_watches_instead(office: Office) -> None:
    lead = str(office.front.seed.users["lead"])
    ticket = await office.opened()
    headers = {"Idempotency-Key": fresh()}
    for _ in range(2):
        body = {"email": "Lead@acme-support.example"}
        copied = await office.call("agent", "POST", path(ticket) + "/cc", json=body, headers=headers)
        assert (copied.json()["cc"], copied.json()["watchers"]) == ([], [lead])
    told = ["lead@acme-support.example", "boss@shop.example", "admin@globex.example"]
    opened = await office.opened(cc=told, customerEmail=f"{fresh()}@shop.example")
    assert (opened["cc"], opened["watchers"]) == (told[1:], [lead])
    other = await office.opened(cc=["customer@example.com"], customerEmail=f"{fresh()}@shop.example")
    assert (other["cc"], other["watchers"]) == (["customer@example.com"], [])


async def test_who_is_named_in_a_note_watches_from_then_on(office: Office) -> None:
    ticket = await office.opened()
    lead = office.front.seed.users["lead"]
    [(address,)] = await office.rows("select email from users where id = %s", lead)
    await office.commented(ticket, body=f"@{address.partition('@')[0]} please look, cc @nobody", internal=True)
    assert (await office.read(ticket))["watchers"] == [str(lead)]
    told = await office.rows(
        "select recipient from notifications where process_id = %s and template = 'mentioned'", ticket["id"]
    )
    assert told == [(str(lead),)]


async def test_a_call_stands_in_the_conversation_for_the_staff_and_counts_as_an_answer(office: Office) -> None:
    ticket = await office.opened()
    body = {"direction": "INBOUND", "seconds": 340, "notes": "Walked through it", "status": "IN_PROGRESS"}
    said = await office.front.created("agent", path(ticket) + "/calls", body)
    assert said["call"] == {"direction": "INBOUND", "seconds": 340}
    [listed] = await office.listed(url=path(ticket) + "/comments")
    assert (listed["call"], listed["channel"], listed["internal"]) == (said["call"], "PHONE", True)
    assert await office.listed("customer", url=path(ticket) + "/comments") == []
    after = await office.read(ticket)
    assert after["status"] == "IN_PROGRESS"
    assert after["firstResponseAt"] is not None


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"seconds": -1}, "/seconds"),
        ({"seconds": 1.5}, "/seconds"),
        ({"direction": "SIDEWAYS"}, "/direction"),
        ({"notes": " "}, "/notes"),
        ({"length": 3}, "/length"),
    ],
)
async def test_a_call_that_makes_no_sense_is_refused(office: Office, wrong: dict[str, Any], where: str) -> None:
    ticket = await office.opened()
    body = {"direction": "INBOUND", "seconds": 1, "notes": "N"} | wrong
    response = await office.call("agent", "POST", path(ticket) + "/calls", json=body)
    assert places(problem(response, 422, "invalid")) == {where}


async def test_a_ticket_that_is_over_takes_no_relations_and_a_foreign_one_is_not_there(office: Office) -> None:
    ticket = await office.opened()
    await office.patched(ticket, status="CANCELLED")
    lead = str(office.front.seed.users["lead"])
    calls: list[tuple[str, dict[str, Any]]] = [
        ("/links", {"type": "TICKET", "targetId": some_id()}),
        ("/watchers", {"userId": lead}),
        ("/cc", {"email": "a@b.example"}),
        ("/calls", {"direction": "OUTBOUND", "seconds": 1, "notes": "N"}),
        ("/merge", {"intoId": some_id()}),
    ]
    for place, body in calls:
        problem(await office.call("agent", "POST", path(ticket) + place, json=body), 409, "ticket-final")
        problem(await office.call("otherAdmin", "POST", path(ticket) + place, json=body), 404, "not-found")
