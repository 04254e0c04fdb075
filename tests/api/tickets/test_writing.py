"""Creating, changing and answering tickets: what is told, what repeats, what a stale copy gets."""

import asyncio

import pytest

from tests.api.front import places, problem, some_id
from tests.api.tickets.office import EXAMPLE, Office, fresh, path


async def test_the_guides_example_works_as_written(office: Office) -> None:
    body = {"tenantId": str(office.front.seed.tenant_id), **EXAMPLE}
    response = await office.call("agent", "POST", "/api/tickets", json=body)
    ticket = response.json()
    assert response.status_code == 201, response.text
    assert {name: ticket[name] for name in EXAMPLE} == EXAMPLE
    assert response.headers["location"] == path(ticket)
    assert response.headers["etag"] == '"v1"'
    assert (ticket["status"], ticket["version"]) == ("NEW", 1)
    assert ticket["number"].startswith("SUP-")
    assert ticket["accountId"] is not None
    assert await office.read(ticket) == ticket


async def test_what_is_left_out_gets_the_houses_defaults(office: Office) -> None:
    ticket = await office.opened(customerEmail="new@unknown.example")
    given = {
        name: ticket[name] for name in ("priority", "severity", "channel", "slaTier", "category", "tags", "fields")
    }
    assert given == {
        "priority": "MEDIUM",
        "severity": "SEV3",
        "channel": "API",
        "slaTier": "BASIC",
        "category": None,
        "tags": [],
        "fields": {},
    }


async def test_the_account_decides_the_tier(office: Office) -> None:
    ticket = await office.opened(customerEmail="anyone@granite.example", slaTier="BASIC")
    assert ticket["slaTier"] == "PREMIUM"


async def test_numbers_follow_one_another(office: Office) -> None:
    one, two = await office.opened(), await office.opened()
    assert int(two["number"].removeprefix("SUP-")) > int(one["number"].removeprefix("SUP-"))


async def test_an_assigned_ticket_is_open(office: Office) -> None:
    agent = str(office.front.seed.users["agent"])
    assert (await office.opened(assigneeId=agent))["status"] == "OPEN"
    ticket = await office.patched(await office.opened(), assigneeId=agent)
    assert (ticket["status"], ticket["assigneeId"], ticket["version"]) == ("OPEN", agent, 2)


async def test_unicode_travels_unharmed(office: Office) -> None:
    words = "Grüße 👩🏽‍💻 \u202eabc ﷽ x́"
    ticket = await office.opened(subject=words, description=words + "\n\t", tags=[words], fields={words: [words, None]})
    assert (ticket["subject"], ticket["tags"], ticket["fields"]) == (words, [words], {words: [words, None]})
    assert await office.read(ticket) == ticket


async def test_a_long_description_is_told_in_full(office: Office) -> None:
    text = "x" * 100_000
    ticket = await office.opened(description=text)
    assert ticket["description"] == text
    assert (await office.patched(ticket, priority="LOW"))["description"] == text


async def test_every_field_can_be_patched_and_the_answer_is_what_is_read(office: Office) -> None:
    seed = office.front.seed
    change = {
        "status": "IN_PROGRESS",
        "priority": "URGENT",
        "severity": "SEV1",
        "category": "Billing",
        "subject": "Other",
        "description": "Different",
        "slaTier": "PREMIUM",
        "assigneeId": str(seed.users["lead"]),
        "teamId": str(next(iter(seed.teams.values()))),
        "tags": ["vip", "eu"],
        "fields": {"order": 7, "nested": {"deep": [1, 2]}},
    }
    ticket = await office.patched(await office.opened(), **change, reason="as asked")
    assert {name: ticket[name] for name in change} == change
    assert ticket["version"] == 2
    assert await office.read(ticket) == ticket
    cleared = await office.patched(ticket, category=None, assigneeId=None, teamId=None)
    assert (cleared["category"], cleared["assigneeId"], cleared["teamId"]) == (None, None, None)


async def test_allowed_transitions_are_told_with_the_ticket(office: Office) -> None:
    ticket = await office.patched(await office.opened(), status="RESOLVED")
    assert ticket["allowedTransitions"] == ["OPEN", "CLOSED"]
    assert ticket["sla"]["nextKind"] == "AUTO_CLOSE"
    assert (await office.read(ticket))["sla"]["nextDeadlineAt"] == ticket["sla"]["nextDeadlineAt"]


async def test_an_illegal_move_is_a_conflict_that_names_the_legal_ones(office: Office) -> None:
    ticket = await office.opened()
    document = problem(
        await office.call("agent", "PATCH", path(ticket), json={"status": "CLOSED"}), 409, "illegal-transition"
    )
    assert "RESOLVED" in document["allowedTransitions"]
    assert await office.read(ticket) == ticket


async def test_a_final_ticket_refuses_everything_but_its_reading(office: Office) -> None:
    ticket = await office.patched(await office.opened(), status="CANCELLED", reason="spam")
    for body in ({"status": "OPEN"}, {"subject": "Other"}):
        document = problem(await office.call("agent", "PATCH", path(ticket), json=body), 409, "ticket-final")
        assert document["allowedTransitions"] == []
    problem(await office.call("agent", "POST", path(ticket) + "/comments", json={"body": "x"}), 409, "ticket-final")
    assert await office.read(ticket) == ticket


async def test_a_repeated_creation_gets_the_first_ticket(office: Office) -> None:
    key = fresh()
    first = await office.opened(key=key)
    await office.patched(first, priority="URGENT")
    before = await office.counts()
    assert await office.opened(key=key) == first
    assert await office.counts() == before


async def test_creations_at_once_under_one_key_make_one_ticket(office: Office) -> None:
    key, tag = fresh(), fresh()
    tickets = await asyncio.gather(*(office.opened(key=key, tags=[tag]) for _ in range(8)))
    assert len({ticket["id"] for ticket in tickets}) == 1
    assert len(await office.listed(tag=tag)) == 1


async def test_a_key_is_its_users_own(office: Office) -> None:
    key = fresh()
    assert (await office.opened(key=key))["id"] != (await office.opened("lead", key=key))["id"]


@pytest.mark.parametrize("change", [{"subject": "Other"}, {"priority": "LOW"}, {"tags": ["x"]}], ids=str)
async def test_a_key_used_for_another_ticket_is_refused(office: Office, change: dict[str, object]) -> None:
    key = fresh()
    ticket = await office.opened(key=key)
    body = {"customerEmail": ticket["customerEmail"], "subject": "No dashboard", "description": "It answers 403."}
    response = await office.call("agent", "POST", "/api/tickets", json=body | change, headers={"Idempotency-Key": key})
    problem(response, 422, "key-reused")


async def test_a_repeated_change_gets_its_first_answer(office: Office) -> None:
    ticket, headers = await office.opened(), {"Idempotency-Key": fresh()}
    first = await office.call("agent", "PATCH", path(ticket), json={"status": "RESOLVED"}, headers=headers)
    await office.commented(ticket, "customer")
    again = await office.call("agent", "PATCH", path(ticket), json={"status": "RESOLVED"}, headers=headers)
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["etag"] == first.headers["etag"]
    assert (await office.read(ticket))["status"] == "OPEN"
    other = await office.call("agent", "PATCH", path(ticket), json={"status": "CANCELLED"}, headers=headers)
    problem(other, 422, "key-reused")


async def test_a_repeated_comment_is_written_once(office: Office) -> None:
    ticket, headers = await office.opened(), {"Idempotency-Key": fresh()}
    calls = [
        office.call("agent", "POST", path(ticket) + "/comments", json={"body": "Once"}, headers=headers)
        for _ in range(4)
    ]
    answers = [response.json() for response in await asyncio.gather(*calls)]
    assert all(answer == answers[0] for answer in answers)
    assert await office.listed(url=path(ticket) + "/comments") == [answers[0]]


async def test_an_etag_leads_from_reading_to_writing(office: Office) -> None:
    ticket = await office.opened()
    tag = (await office.call("agent", "GET", path(ticket))).headers["etag"]
    changed = await office.call("agent", "PATCH", path(ticket), json={"subject": "B"}, headers={"If-Match": tag})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"v2"')
    stale = await office.call("agent", "PATCH", path(ticket), json={"subject": "C"}, headers={"If-Match": tag})
    assert problem(stale, 412, "stale")["currentVersion"] == 2
    assert (await office.read(ticket))["subject"] == "B"


@pytest.mark.parametrize("tags", ["*", '"v1", "v9"', 'W/"v1"'])
async def test_any_of_several_tags_may_match(office: Office, tags: str) -> None:
    ticket = await office.opened()
    response = await office.call("agent", "PATCH", path(ticket), json={"subject": "B"}, headers={"If-Match": tags})
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(("tags", "status"), [('"v7"', 412), ('"other"', 412), ("v1", 422), ('"v1', 422)])
async def test_a_tag_that_fits_no_version_changes_nothing(office: Office, tags: str, status: int) -> None:
    ticket = await office.opened()
    response = await office.call("agent", "PATCH", path(ticket), json={"subject": "B"}, headers={"If-Match": tags})
    assert response.status_code == status
    assert await office.read(ticket) == ticket


async def test_d29_of_two_changes_with_one_tag_one_wins(office: Office) -> None:
    ticket, headers = await office.opened(), {"If-Match": '"v1"'}
    calls = [office.call("agent", "PATCH", path(ticket), json={"subject": s}, headers=headers) for s in "AB"]
    assert sorted(response.status_code for response in await asyncio.gather(*calls)) == [200, 412]
    history = await office.listed(url=path(ticket) + "/history")
    assert [entry["command"] for entry in history] == ["change", "create"]


async def test_a_comment_leaves_the_version_and_a_moving_one_raises_it(office: Office) -> None:
    ticket = await office.opened()
    await office.commented(ticket)
    assert (await office.read(ticket))["version"] == 1
    await office.commented(ticket, status="PENDING_CUSTOMER")
    moved = await office.read(ticket)
    assert (moved["version"], moved["status"], moved["sla"]["nextKind"]) == (
        2,
        "PENDING_CUSTOMER",
        "CUSTOMER_REMINDER",
    )


async def test_a_lead_dates_a_reply_and_an_agent_does_not(office: Office) -> None:
    ticket = await office.opened()
    dated = {"body": "By phone", "occurredAt": ticket["createdAt"], "reason": "was told by phone"}
    problem(await office.call("agent", "POST", path(ticket) + "/comments", json=dated), 403, "forbidden")
    await office.front.created("lead", path(ticket) + "/comments", dated)
    assert (await office.read(ticket))["firstResponseAt"] == ticket["createdAt"]
    response = await office.call("lead", "POST", path(ticket) + "/comments", json=dated | {"reason": None})
    assert places(problem(response, 422, "invalid")) == {"/reason"}


async def test_the_history_tells_who_did_what_when_and_why(office: Office) -> None:
    ticket = await office.opened()
    await office.patched(ticket, priority="URGENT", reason="The boss called")
    await office.commented(ticket, "customer")
    comment, change, creation = await office.walked(path(ticket) + "/history", 2)
    assert [entry["revision"] for entry in (comment, change, creation)] == [3, 2, 1]
    assert change["changes"] == {"priority": {"before": "MEDIUM", "after": "URGENT"}}
    assert change["summary"] == "Priority MEDIUM → URGENT by Alex Agent: The boss called."
    assert (change["reason"], change["actor"]["name"]) == ("The boss called", "Alex Agent")
    assert (comment["actor"]["role"], comment["changes"]) == ("CUSTOMER", {})


async def test_comments_are_read_in_either_order_page_by_page(office: Office) -> None:
    ticket = await office.opened()
    written = [(await office.commented(ticket, body=str(n)))["id"] for n in range(5)]
    url = path(ticket) + "/comments"
    assert [c["id"] for c in await office.walked(url, 2, sort="createdAt")] == written
    assert [c["id"] for c in await office.walked(url, 2)] == written[::-1]


@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_an_unknown_ticket_is_not_found(office: Office, method: str) -> None:
    response = await office.call(
        "agent", method, f"/api/tickets/{some_id()}", **({"json": {}} if method == "PATCH" else {})
    )
    problem(response, 404, "not-found")


async def test_a_repeated_creation_gets_the_first_ticket_though_it_would_be_refused_now(office: Office) -> None:
    email = f"{fresh()}@acme-support.example"
    user = await office.front.created("admin", "/api/users", {"email": email, "name": "Leaving", "role": "AGENT"})
    key = fresh()
    first = await office.opened("lead", key, assigneeId=user["id"])
    left = await office.call("admin", "PATCH", f"/api/users/{user['id']}", json={"active": False})
    assert left.status_code == 200
    assert (await office.opened("lead", key, assigneeId=user["id"]))["id"] == first["id"]


async def test_an_account_with_an_international_domain_knows_its_customers(office: Office) -> None:
    name = f"bücher-{fresh()}.example"
    account = await office.front.created(
        "lead", "/api/customers/accounts", {"name": "Bücher", "tier": "PREMIUM", "domains": [name]}
    )
    ascii_name = account["domains"][0]
    for address in (f"a@{name}", f"b@{ascii_name}"):
        ticket = await office.opened(customerEmail=address)
        assert (ticket["slaTier"], ticket["accountId"]) == ("PREMIUM", account["id"])


async def test_the_history_keeps_a_former_description_and_speaks_the_language_of_the_wire(office: Office) -> None:
    ticket = await office.opened(description="It was so.")
    await office.patched(ticket, description="Now it is so.", slaTier="BASIC")
    newest = (await office.listed(url=path(ticket) + "/history"))[0]
    assert newest["changes"]["description"] == {"before": "It was so.", "after": "Now it is so."}
    assert "slaTier" in newest["changes"]
