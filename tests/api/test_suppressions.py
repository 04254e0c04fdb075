"""Addresses that get no mail, over HTTP."""

import uuid
from urllib.parse import quote

import pytest

from tests.api.front import Front, places, problem

PATH = "/api/mail/suppressions"


def fresh() -> str:
    return f"{uuid.uuid4().hex}@shop.example"


async def test_an_address_is_suppressed_looked_up_and_lifted(api: Front) -> None:
    address = f"Casey+{uuid.uuid4().hex}@Shop.example"
    body = {"address": address, "reason": "Asked by phone."}
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    made = await api.call("admin", "POST", PATH, json=body, headers=headers)
    assert made.status_code == 201
    assert made.json() == {**made.json(), "address": address.lower(), "reason": "Asked by phone.", "status": None}
    again = await api.call("admin", "POST", PATH, json=body, headers=headers)
    assert (again.status_code, again.json()) == (201, made.json())
    found = await api.call("admin", "GET", made.headers["location"])
    assert found.json() == made.json()
    assert (made.json()["updatedAt"], made.json()["version"]) == (made.json()["createdAt"], 1)
    assert found.headers["etag"] == made.headers["etag"] == '"v1"'
    assert (await api.call("admin", "GET", f"{PATH}/{quote(address.upper())}")).json() == made.json()
    assert (await api.call("admin", "DELETE", made.headers["location"])).status_code == 204
    for method in ("GET", "DELETE"):
        problem(await api.call("admin", method, made.headers["location"]), 404, "not-found")


async def test_an_address_cannot_be_suppressed_twice(api: Front) -> None:
    body = {"address": fresh()}
    made = await api.created("admin", PATH, body)
    refused = problem(await api.call("admin", "POST", PATH, json={**body, "reason": "x"}), 409, "already-suppressed")
    assert places(refused) == {"/address"}
    assert (await api.call("admin", "GET", f"{PATH}/{body['address']}")).json() == made
    assert made["reason"] == "By hand."


async def test_the_list_shows_the_latest_first_page_by_page(api: Front) -> None:
    made = [(await api.created("admin", PATH, {"address": fresh()}))["address"] for _ in range(5)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while len(seen) < 5:
        page = (await api.call("admin", "GET", PATH, params={"limit": 2, **cursor})).json()
        seen += [row["address"] for row in page["data"]]
        cursor = {"cursor": page["page"]["nextCursor"]}
    assert seen[:5] == made[::-1]
    other = (await api.call("admin", "GET", "/api/webhooks", params=cursor)) if cursor["cursor"] else None
    if other is not None:
        problem(other, 422, "bad-cursor")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, {"/address"}),
        ({"address": "nobody", "reason": "a\nb", "who": 1}, {"/address", "/reason", "/who"}),
        ({"address": "Casey <casey@shop.example>"}, {"/address"}),
        ({"address": "a@b.example\r\nBcc: c@d.example"}, {"/address"}),
    ],
)
async def test_what_is_no_address_is_refused(api: Front, body: dict[str, object], named: set[str]) -> None:
    assert places(problem(await api.call("admin", "POST", PATH, json=body), 422, "invalid")) == named


async def test_an_odd_address_can_be_lifted_again(api: Front) -> None:
    made = await api.call("admin", "POST", PATH, json={"address": "a/b@shop.example"})
    where = made.headers["Location"]
    assert (await api.call("admin", "GET", where)).json()["address"] == "a/b@shop.example"
    assert (await api.call("admin", "DELETE", where)).status_code == 204
    problem(await api.call("admin", "GET", f"{PATH}/%00"), 422, "invalid")
