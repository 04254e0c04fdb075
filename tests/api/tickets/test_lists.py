"""Lists of tickets: every filter narrows, every order is total, and a walk through the pages misses and repeats nothing."""

import csv
import io
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio

from tests.api.tickets.office import Office, fresh

SORTS = ["createdAt", "updatedAt", "priority", "nextDeadline"]
RANK = ["LOW", "MEDIUM", "HIGH", "URGENT"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shelf(office: Office) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """A tag, and the tickets that bear it: equal priorities, deadlines that are null, and deadlines that are not."""
    tag = fresh()
    made = []
    for n in range(11):
        ticket = await office.opened(tags=[tag, f"odd-{tag}"] if n % 2 else [tag], priority=RANK[n % 3], subject=f"{n}")
        if n % 3 == 0:
            ticket = await office.patched(ticket, status="PENDING_CUSTOMER")
        if n % 4 == 1:
            ticket = await office.patched(ticket, status="RESOLVED")
        made.append(ticket)
    yield tag, made


@pytest.mark.parametrize("limit", [1, 3, 100])
@pytest.mark.parametrize("sort", [*SORTS, *(f"-{sort}" for sort in SORTS)])
async def test_a_walk_in_any_order_meets_every_ticket_once(
    office: Office, shelf: tuple[str, list[dict[str, Any]]], sort: str, limit: int
) -> None:
    tag, made = shelf
    seen = await office.walked("/api/tickets", limit, tag=tag, sort=sort)
    assert len(seen) == len(made)
    assert {ticket["id"] for ticket in seen} == {ticket["id"] for ticket in made}
    keys = [sort_key(ticket, sort.removeprefix("-")) for ticket in seen]
    assert all(b <= a if sort.startswith("-") else a <= b for a, b in pairwise(keys))


def sort_key(ticket: dict[str, Any], sort: str) -> Any:
    """What a list is sorted by; tickets without a deadline come after all that have one."""
    if sort == "priority":
        return RANK.index(ticket["priority"])
    return ticket["sla"]["nextDeadlineAt"] or "9999" if sort == "nextDeadline" else ticket[sort]


async def test_the_newest_come_first_unless_asked_otherwise(
    office: Office, shelf: tuple[str, list[dict[str, Any]]]
) -> None:
    tag, made = shelf
    assert [ticket["id"] for ticket in await office.listed(tag=tag)] == [ticket["id"] for ticket in made[::-1]]


async def test_a_list_shows_tickets_as_reading_them_does(
    office: Office, shelf: tuple[str, list[dict[str, Any]]]
) -> None:
    tag, _ = shelf
    for ticket in await office.listed(tag=tag, limit=4):
        assert ticket == await office.read(ticket)


async def test_a_ticket_that_is_added_while_walking_shifts_no_page(office: Office) -> None:
    tag = fresh()
    old = [(await office.opened(tags=[tag]))["id"] for _ in range(4)]
    first = (await office.call("agent", "GET", "/api/tickets", params={"tag": tag, "limit": 2})).json()
    await office.opened(tags=[tag])
    query = {"tag": tag, "limit": 2, "cursor": first["page"]["nextCursor"]}
    second = (await office.call("agent", "GET", "/api/tickets", params=query)).json()
    assert [ticket["id"] for page in (first, second) for ticket in page["data"]] == old[::-1]


async def test_an_empty_list_is_a_page_too(office: Office) -> None:
    response = await office.call("agent", "GET", "/api/tickets", params={"tag": fresh()})
    assert response.json() == {"data": [], "page": {"nextCursor": None, "hasMore": False}}


async def test_each_filter_narrows_to_its_values(office: Office) -> None:
    tag, seed = fresh(), office.front.seed
    agent, team = str(seed.users["agent"]), str(next(iter(seed.teams.values())))
    one = await office.opened(
        tags=[tag],
        priority="URGENT",
        severity="SEV1",
        channel="PHONE",
        category="Billing",
        customerEmail="a@granite.example",
        assigneeId=agent,
        teamId=team,
    )
    other = await office.opened(tags=[tag], customerEmail="b@nowhere.example", channel="EMAIL", category="Login")
    assert one["accountId"]
    for name, value in {
        "status": "OPEN",
        "priority": "URGENT",
        "severity": "SEV1",
        "channel": "PHONE",
        "category": "Billing",
        "slaTier": "PREMIUM",
        "assigneeId": agent,
        "teamId": team,
        "accountId": one["accountId"],
        "customerEmail": "A@Granite.example",
    }.items():
        assert await office.listed(tag=tag, **{name: value}) == [one], name
    for name, value in {"status": "NEW", "priority": "MEDIUM", "category": "Login", "slaTier": "BASIC"}.items():
        assert await office.listed(tag=tag, **{name: value}) == [other], name


@pytest.mark.parametrize("asked", ["", "x" * 255, "a\0@b.example"])
async def test_what_is_no_text_of_an_address_is_refused(office: Office, asked: str) -> None:
    response = await office.call("agent", "GET", "/api/tickets", params={"customerEmail": asked})
    assert response.status_code == 422, response.text


@pytest.mark.parametrize("asked", ["a@b", '"quoted local"@example.org', "user@[127.0.0.1]", "nobody", "x@shop.invalid"])
async def test_any_address_can_be_looked_for(office: Office, asked: str) -> None:
    assert await office.listed(customerEmail=asked) == []


async def test_a_good_address_is_looked_for_as_it_is_kept(office: Office) -> None:
    mark = fresh()
    ticket = await office.opened(customerEmail=f"{mark}@xn--bcher-kva.example")
    for asked in (f"{mark}@xn--bcher-kva.example", f"{mark}@BÜCHER.example"):
        assert [each["id"] for each in await office.listed(customerEmail=asked)] == [ticket["id"]]


async def test_several_values_of_a_filter_mean_any_of_them(office: Office) -> None:
    tag = fresh()
    for priority in ("LOW", "HIGH", "URGENT"):
        await office.opened(tags=[tag], priority=priority, subject=priority)
    assert set(await office.found(tag=tag, priority=["LOW", "URGENT"])) == {"LOW", "URGENT"}


async def test_several_tags_mean_any_of_them(office: Office) -> None:
    one, other = fresh(), fresh()
    await office.opened(tags=[one], subject="one")
    await office.opened(tags=[other], subject="other")
    assert set(await office.found(tag=[one, other])) == {"one", "other"}


async def test_filters_are_met_together(office: Office) -> None:
    tag = fresh()
    await office.opened(tags=[tag], priority="LOW", severity="SEV1", subject="both")
    await office.opened(tags=[tag], priority="LOW", severity="SEV2", subject="half")
    assert await office.found(tag=tag, priority="LOW", severity="SEV1") == ["both"]


async def test_a_period_is_half_open(office: Office) -> None:
    tag = fresh()
    first, second = await office.opened(tags=[tag]), await office.opened(tags=[tag])
    period = {"createdFrom": first["createdAt"], "createdTo": second["createdAt"]}
    assert [ticket["id"] for ticket in await office.listed(tag=tag, **period)] == [first["id"]]


HOSTILE = [
    "'", '"', '"unclosed', "-foo", "--", "C++", "a & | ! <-> b", "(((", "\\", "%", "_", "*", ":*", "foo:*", "😀", "",
    " ", "\0", "a\0b", "x" * 500, "or or or", "and", "-" * 500, "'; drop table support_tickets; --", "SUP-",
    "SUP-999999999999999", "999999999999999999999999", "İ", "\u202e", "\t\n", "@", "a@", "@b", "ﷺ",
    '"' * 500, '-"' * 250, "-a " * 166, "or -" * 125, "( " * 250, "a or " * 100, "-" * 33, "- " * 250,
]  # fmt: skip
"""What people and scanners type into search boxes."""


@pytest.mark.parametrize("who", ["agent", "customer"])
async def test_no_search_is_an_error(office: Office, who: str) -> None:
    answers = {
        query: (await office.call(who, "GET", "/api/tickets", params={"q": query, "limit": 1})).status_code
        for query in HOSTILE
    }
    assert {query: status for query, status in answers.items() if status != 200} == {}


async def test_a_search_finds_subjects_descriptions_and_comments(office: Office) -> None:
    subject, description, comment = (f"w{fresh()}" for _ in range(3))
    ticket = await office.opened(subject=f"About {subject}", description=f"It is {description}")
    await office.commented(ticket, body=f"See {comment}")
    for word in (subject, description, comment):
        assert [found["id"] for found in await office.listed(q=word)] == [ticket["id"]]


async def test_a_search_finds_what_a_text_has_become_and_not_what_it_was(office: Office) -> None:
    old, new = f"w{fresh()}", f"w{fresh()}"
    ticket = await office.opened(subject=old)
    await office.patched(ticket, subject=new)
    assert await office.listed(q=old) == []
    assert [found["id"] for found in await office.listed(q=new)] == [ticket["id"]]


async def test_a_search_understands_words_phrases_and_not(office: Office) -> None:
    word = f"w{fresh()}"
    for subject in (f"{word} red apple", f"{word} apple red", f"{word} green pear"):
        await office.opened(subject=subject)
    assert await office.found(q=f'{word} "red apple"') == [f"{word} red apple"]
    assert set(await office.found(q=f"{word} -pear")) == {f"{word} red apple", f"{word} apple red"}
    assert await office.found(q=f"{word} apples") == [f"{word} apple red", f"{word} red apple"]


async def test_a_search_finds_a_number_and_an_address(office: Office) -> None:
    email = f"{fresh()}@shop.example"
    ticket = await office.opened(customerEmail=email)
    for query in (
        ticket["number"],
        ticket["number"].lower(),
        ticket["number"].removeprefix("SUP-"),
        email,
        email.upper(),
    ):
        assert ticket["id"] in [found["id"] for found in await office.listed(q=query)]


async def test_a_search_is_sorted_filtered_and_walked_like_any_list(office: Office) -> None:
    word = f"w{fresh()}"
    made = [await office.opened(subject=word, priority=RANK[n % 2]) for n in range(5)]
    seen = await office.walked("/api/tickets", 2, q=word)
    assert [ticket["id"] for ticket in seen] == [ticket["id"] for ticket in made[::-1]]
    low = await office.walked("/api/tickets", 1, q=word, priority="LOW", sort="createdAt")
    assert [ticket["id"] for ticket in low] == [ticket["id"] for ticket in made[::2]]


async def test_staff_of_another_tenant_find_nothing(office: Office) -> None:
    word = f"w{fresh()}"
    ticket = await office.opened(subject=word, tags=[word])
    for query in ({"q": word}, {"tag": word}, {"q": ticket["number"]}, {"customerEmail": ticket["customerEmail"]}):
        assert await office.listed("otherAdmin", **query) == []


async def test_a_deadline_sorts_a_ticket_before_those_without(office: Office) -> None:
    tag = fresh()
    over = await office.opened(tags=[tag], subject="over")
    await office.patched(over, status="CANCELLED")
    await office.opened(
        tags=[tag], subject="urgent", slaTier="PREMIUM", severity="SEV1", customerEmail="new@nobody.example"
    )
    await office.opened(tags=[tag], subject="calm")
    assert await office.found(tag=tag, sort="nextDeadline") == ["urgent", "calm", "over"]


async def test_what_is_due_before_an_instant_is_found_alone_and_with_other_filters(office: Office) -> None:
    tag = fresh()
    urgent = {"slaTier": "PREMIUM", "severity": "SEV1", "customerEmail": "new@nobody.example"}
    soon = await office.opened(tags=[tag], subject="soon", **urgent)
    later = await office.opened(tags=[tag], subject="later")
    over = await office.opened(tags=[tag], subject="over")
    await office.patched(over, status="CANCELLED")
    first, second = (ticket["sla"]["nextDeadlineAt"] for ticket in (soon, later))
    assert first < second
    assert await office.found(tag=tag, dueBefore=first) == []
    assert await office.found(tag=tag, dueBefore=second) == ["soon"]
    assert await office.found(tag=tag, dueBefore="9999-01-01T00:00:00Z") == ["later", "soon"]
    assert await office.found(tag=tag, dueBefore="9999-01-01T00:00:00Z", severity="SEV1") == ["soon"]
    query = {"tag": tag, "dueBefore": second}
    file = await office.call("agent", "GET", "/api/tickets", params=query, headers={"Accept": "text/csv"})
    assert [row["subject"] for row in csv.DictReader(io.StringIO(file.text))] == ["soon"]
    body = {"name": tag, "filters": {"tag": [tag], "dueBefore": second}}
    view = await office.front.created("agent", "/api/views", body)
    assert await office.found(url=f"/api/views/{view['id']}/tickets") == ["soon"]


async def test_what_nobody_has_is_found_apart(office: Office) -> None:
    tag = fresh()
    await office.opened(tags=[tag], subject="Nobody's")
    await office.opened(tags=[tag], subject="Somebody's", assigneeId=str(office.front.seed.users["agent"]))
    assert await office.found(tag=tag, unassigned=True) == ["Nobody's"]
    assert await office.found(tag=tag, unassigned=False) == ["Somebody's"]
