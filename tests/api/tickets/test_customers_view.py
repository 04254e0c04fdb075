"""What customers see of tickets and may do with them: their own, the public part, and a follow-up when it is over."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio

from tests.api.front import Front, problem, some_id
from tests.api.tickets.office import Office, fresh, path


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stranger(office: Office) -> AsyncIterator[str]:
    """A customer without an account and without tickets, as a token."""
    email = f"{fresh()}@nowhere.example"
    await office.front.created("admin", "/api/users", {"email": email, "name": "Sam Stranger", "role": "CUSTOMER"})
    [(user_id,)] = await office.rows("select id from users where email = %s", email)
    yield Front.token(office.front, "customer", user_id=user_id)


async def as_stranger(office: Office, token: str, method: str, url: str, **rest: object) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return (await office.call(None, method, url, headers=headers, **rest)).status_code


async def test_a_customer_opens_a_ticket_by_the_portal(office: Office) -> None:
    ticket = await office.opened("customer")
    assert (ticket["channel"], ticket["slaTier"]) == ("PORTAL", "ENTERPRISE")
    assert ticket["requesterId"] == str(office.front.seed.users["customer"])
    assert await office.read(ticket, "customer") == ticket


async def test_a_customer_sees_the_tickets_of_their_account_and_of_their_address(office: Office) -> None:
    tag = fresh()
    of_account = await office.opened(customerEmail="colleague@example.com", tags=[tag])
    own = await office.opened(customerEmail="CUSTOMER@Example.com", tags=[tag])
    await office.opened(customerEmail="other@granite.example", tags=[tag])
    seen = {ticket["id"] for ticket in await office.listed("customer", tag=tag)}
    assert seen == {of_account["id"], own["id"]}


async def test_others_tickets_are_not_found(office: Office, stranger: str) -> None:
    ticket = await office.opened()
    await office.commented(ticket)
    before = await office.counts()
    url = path(ticket)
    assert await as_stranger(office, stranger, "GET", url) == 404
    assert await as_stranger(office, stranger, "GET", url + "/comments") == 404
    assert await as_stranger(office, stranger, "PATCH", url, json={"status": "CLOSED"}) == 404
    assert await as_stranger(office, stranger, "POST", url + "/comments", json={"body": "Hello"}) == 404
    assert await as_stranger(office, stranger, "GET", url + "/history") == 403
    assert await office.counts() == before


async def test_others_closed_tickets_are_not_found_either(office: Office, stranger: str) -> None:
    ticket = await office.patched(await office.opened(), status="CANCELLED")
    before = await office.counts()
    assert await as_stranger(office, stranger, "PATCH", path(ticket), json={"status": "OPEN"}) == 404
    assert await as_stranger(office, stranger, "POST", path(ticket) + "/comments", json={"body": "Hello"}) == 404
    assert await office.counts() == before


@pytest_asyncio.fixture(params=["own account", "no account"], loop_scope="session")
async def copied(office: Office, request: pytest.FixtureRequest) -> tuple[str, str]:
    """The address and the token of a customer from elsewhere."""
    body = {"email": f"{fresh()}@elsewhere.example", "name": "Corin Copied", "role": "CUSTOMER"}
    if request.param == "own account":
        account = {"name": fresh(), "tier": "BASIC", "timeZone": "UTC"}
        body["accountId"] = (await office.front.created("admin", "/api/customers/accounts", account))["id"]
    user = await office.front.created("admin", "/api/users", body)
    return body["email"], office.front.token("customer", user_id=UUID(user["id"]))


async def test_who_is_copied_in_finds_no_ticket(office: Office, copied: tuple[str, str]) -> None:
    address, token = copied
    tag, files = fresh(), {"file": ("log.txt", b"all is well")}
    ticket = await office.opened("customer")
    url, uploaded = path(ticket), await office.call("agent", "POST", path(ticket) + "/attachments", files=files)
    file = uploaded.json()["id"]
    await office.commented(ticket, attachmentIds=[file])
    added = await office.call("agent", "POST", url + "/cc", json={"email": address})
    assert added.json()["cc"] == [address]
    resolved = await office.patched(ticket, status="RESOLVED", tags=[tag])
    before = await office.counts()
    mine = await office.call("customer", "GET", f"/api/attachments/{file}")
    assert mine.status_code == 200
    for method, place, body in (
        ("GET", url, None),
        ("GET", url + "/comments", None),
        ("GET", url + "/attachments", None),
        ("GET", f"/api/attachments/{file}", None),
        ("GET", url + "/sla", None),
        ("PATCH", url, {}),
        ("PATCH", url, {"status": "CLOSED"}),
        ("PATCH", url, {"status": "OPEN"}),
        ("POST", url + "/comments", {"body": "Me too"}),
        ("POST", url + "/rating", {"score": 1}),
        ("POST", url + "/typing", {}),
    ):
        status = await as_stranger(office, token, method, place, **({} if body is None else {"json": body}))
        assert (method, place, body, status) == (method, place, body, 404)
    assert await as_stranger(office, token, "POST", url + "/attachments", files=files) == 404
    for place, body in (
        ("merge", {"intoId": some_id()}),
        (f"macros/{some_id()}", None),
        ("links", {"type": "TICKET", "targetId": some_id()}),
        ("watchers", {"userId": some_id()}),
        ("cc", {"email": "more@elsewhere.example"}),
        ("calls", {"direction": "INBOUND", "seconds": 1, "notes": "x"}),
    ):
        assert await as_stranger(office, token, "POST", f"{url}/{place}", json=body) == 403
    headers = {"Authorization": f"Bearer {token}"}
    listed = await office.call(None, "GET", "/api/tickets", params={"tag": tag}, headers=headers)
    assert listed.json()["data"] == []
    assert await office.counts() == before
    assert await office.read(ticket) == resolved


async def test_who_is_copied_in_finds_no_ticket_that_is_over(office: Office, copied: tuple[str, str]) -> None:
    address, token = copied
    ticket = await office.opened("customer")
    await office.call("agent", "POST", path(ticket) + "/cc", json={"email": address})
    await office.patched(ticket, status="CANCELLED")
    before = await office.counts()
    assert await as_stranger(office, token, "PATCH", path(ticket), json={}) == 404
    assert await as_stranger(office, token, "POST", path(ticket) + "/comments", json={"body": "Me too"}) == 404
    assert await office.counts() == before


async def test_internal_notes_are_hidden_and_not_found_by_searching(office: Office) -> None:
    ticket, secret = await office.opened(), f"w{fresh()}"
    await office.commented(ticket, body=f"The reason is {secret}", internal=True)
    public = await office.commented(ticket, body="We look into it")
    assert [c["id"] for c in await office.listed("customer", path(ticket) + "/comments")] == [public["id"]]
    assert await office.listed("customer", q=secret) == []
    assert [found["id"] for found in await office.listed("agent", q=secret)] == [ticket["id"]]


async def test_the_history_is_the_staffs(office: Office) -> None:
    ticket = await office.opened("customer")
    problem(await office.call("customer", "GET", path(ticket) + "/history"), 403, "role-too-low")


@pytest.mark.parametrize(
    "patch", [{"priority": "URGENT"}, {"subject": "x"}, {"assigneeId": None}, {"status": "OPEN", "tags": []}]
)
async def test_a_customer_changes_no_field(office: Office, patch: dict[str, object]) -> None:
    ticket = await office.patched(await office.opened("customer"), status="RESOLVED")
    problem(await office.call("customer", "PATCH", path(ticket), json=patch), 403, "forbidden")
    assert await office.read(ticket) == ticket


async def test_a_customer_moves_no_ticket_that_is_being_worked_on(office: Office) -> None:
    ticket = await office.opened("customer")
    for status in ("RESOLVED", "CANCELLED", "IN_PROGRESS"):
        problem(await office.call("customer", "PATCH", path(ticket), json={"status": status}), 403, "forbidden")


@pytest.mark.parametrize("status", ["OPEN", "CLOSED"])
async def test_a_customer_takes_a_resolution_back_or_confirms_it(office: Office, status: str) -> None:
    ticket = await office.patched(await office.opened("customer"), status="RESOLVED")
    assert (await office.patched(ticket, "customer", status=status))["status"] == status


@pytest.mark.parametrize("extra", [{"internal": True}, {"status": "CLOSED"}])
async def test_a_customer_writes_public_comments_only(office: Office, extra: dict[str, object]) -> None:
    ticket = await office.patched(await office.opened("customer"), status="RESOLVED")
    body = {"body": "Hello", **extra}
    problem(await office.call("customer", "POST", path(ticket) + "/comments", json=body), 403, "forbidden")
    assert await office.listed(url=path(ticket) + "/comments") == []


@pytest.mark.parametrize(
    "body",
    [
        {"slaTier": "PREMIUM"},
        {"customerEmail": "colleague@example.com"},
        {"assigneeId": "00000000-0000-4000-8000-000000000007"},
    ],
    ids=str,
)
async def test_a_customer_chooses_neither_tier_nor_name_nor_hands(office: Office, body: dict[str, str]) -> None:
    before = await office.counts()
    good = {"customerEmail": "customer@example.com", "subject": "S", "description": "D"}
    response = await office.call("customer", "POST", "/api/tickets", json=good | body)
    assert response.status_code in (403, 422), response.text
    assert await office.counts() == before


async def test_a_customer_without_an_account_has_no_phone(office: Office, stranger: str) -> None:
    headers = {"Authorization": f"Bearer {stranger}"}
    email = (await office.call(None, "GET", "/api/me", headers=headers)).json()["email"]
    body = {"customerEmail": email, "subject": "S", "description": "D", "channel": "PHONE"}
    document = problem(await office.call(None, "POST", "/api/tickets", headers=headers, json=body), 422, "invalid")
    assert document["allowedChannels"] == ["EMAIL", "PORTAL"]


async def test_a_reply_reopens_what_was_resolved(office: Office) -> None:
    ticket = await office.patched(await office.opened("customer"), status="RESOLVED")
    comment = await office.commented(ticket, "customer")
    assert comment["ticketId"] == ticket["id"]
    reopened = await office.read(ticket)
    assert (reopened["status"], reopened["reopens"], reopened["resolvedAt"]) == ("OPEN", 1, None)


async def test_a_reply_to_a_closed_ticket_opens_a_follow_up(office: Office) -> None:
    ticket = await office.opened("customer", subject="Broken again")
    await office.patched(ticket, status="RESOLVED")
    closed = await office.patched(ticket, "customer", status="CLOSED")
    comment = await office.commented(ticket, "customer", body="It is back")
    assert comment["ticketId"] != ticket["id"]
    follow_up = await office.read({"id": comment["ticketId"]}, "customer")
    assert (follow_up["followUpOf"], follow_up["subject"], follow_up["status"]) == (ticket["id"], "Broken again", "NEW")
    assert await office.listed("customer", path(follow_up) + "/comments") == [comment]
    assert await office.read(ticket) == closed


async def test_a_repeated_reply_to_a_closed_ticket_opens_one_follow_up(office: Office) -> None:
    ticket = await office.patched(await office.opened("customer"), status="CANCELLED")
    url, headers = path(ticket) + "/comments", {"Idempotency-Key": fresh()}
    calls = [office.call("customer", "POST", url, json={"body": "Hello?"}, headers=headers) for _ in range(4)]
    answers = [response.json() for response in await asyncio.gather(*calls)]
    assert all(answer == answers[0] for answer in answers)
    rows = await office.rows("select count(*) from support_tickets where follow_up_of = %s", ticket["id"])
    assert rows == [(1,)]


async def test_a_colleagues_reply_on_a_final_ticket_opens_its_first_askers_follow_up(office: Office) -> None:
    email = f"{fresh()}@example.com"
    me = (await office.call("customer", "GET", "/api/me")).json()
    body = {"email": email, "name": "Cora Colleague", "role": "CUSTOMER", "accountId": me["accountId"]}
    colleague = await office.front.created("admin", "/api/users", body)
    token = office.front.token("customer", user_id=UUID(colleague["id"]))
    ticket = await office.patched(await office.opened("customer"), status="CANCELLED")
    headers = {"Authorization": f"Bearer {token}"}
    reply = await office.call(None, "POST", path(ticket) + "/comments", json={"body": "Still so."}, headers=headers)
    assert reply.status_code == 201, reply.text
    follow_up = await office.read({"id": reply.json()["ticketId"]})
    assert (follow_up["followUpOf"], follow_up["customerEmail"]) == (ticket["id"], ticket["customerEmail"])


async def test_a_customer_is_told_of_the_moves_that_they_may_make(office: Office) -> None:
    ticket = await office.opened("customer")
    assert (await office.read(ticket, "customer"))["allowedTransitions"] == []
    await office.patched(ticket, status="RESOLVED")
    assert (await office.read(ticket, "customer"))["allowedTransitions"] == ["OPEN", "CLOSED"]
    [listed] = [each for each in await office.listed("customer", limit=100) if each["id"] == ticket["id"]]
    assert listed["allowedTransitions"] == ["OPEN", "CLOSED"]


@pytest.mark.parametrize("local", ["ΑΣΣΑΣ", "İstanbul", "straẞe"])
async def test_a_customer_whose_letters_have_odd_cases_sees_their_ticket(office: Office, local: str) -> None:
    email = f"{local}{fresh()}Σ@nowhere-odd.example"
    user = await office.front.created("admin", "/api/users", {"email": email, "name": "O", "role": "CUSTOMER"})
    headers = {"Authorization": f"Bearer {office.front.token('customer', user_id=UUID(user['id']))}"}
    body = {"customerEmail": user["email"], "subject": "Odd", "description": "Letters"}
    opened = await office.call(None, "POST", "/api/tickets", json=body, headers=headers)
    assert opened.status_code == 201, opened.text
    assert (await office.call(None, "GET", path(opened.json()), headers=headers)).status_code == 200


async def test_blank_words_do_not_reopen_a_ticket(office: Office) -> None:
    ticket = await office.patched(await office.opened("customer"), status="RESOLVED")
    blank = await office.call("customer", "POST", path(ticket) + "/comments", json={"body": "  \n"})
    problem(blank, 422, "invalid")
    assert (await office.read(ticket))["status"] == "RESOLVED"
