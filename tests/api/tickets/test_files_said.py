"""Who sees which file, what is said with it, and what becomes of one that is used for nothing."""

import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import event

from api.file_upkeep import FileUpkeep
from db.engine import tenant_transaction
from runtime.blobs import FolderBlobs
from tests.api.front import places, problem, some_id
from tests.api.tickets.files import another_customer, given, got, some_bytes, stored, upload
from tests.api.tickets.office import Office, fresh, path


async def test_who_may_see_a_file(office: Office) -> None:
    ticket = await office.opened()
    stranger = await another_customer(office)
    agents, customers = await given(office, ticket), await given(office, ticket, "customer")
    public, secret = await given(office, ticket), await given(office, ticket)
    await office.commented(ticket, attachmentIds=[public["id"]])
    await office.commented(ticket, attachmentIds=[secret["id"]], internal=True)
    seen: dict[str, list[int]] = {}
    for who in ("agent", "customer", "otherAdmin"):
        seen[who] = [(await got(office, file, who)).status_code for file in (agents, customers, public, secret)]
    assert seen == {
        "agent": [200, 200, 200, 200],
        "customer": [404, 200, 200, 404],
        "otherAdmin": [404, 404, 404, 404],
    }
    token = {"Authorization": f"Bearer {office.front.token('customer', **stranger)}"}
    for file in (agents, customers, public, secret):
        answer = await office.call(None, "GET", f"/api/attachments/{file['id']}", headers=token)
        problem(answer, 404, "not-found")
    listed = await office.listed("customer", url=path(ticket) + "/attachments")
    assert {file["id"] for file in listed} == {customers["id"], public["id"]}
    assert len(await office.walked(path(ticket) + "/attachments", limit=1)) == 4


async def test_a_comment_shows_its_files_to_its_author_and_to_readers(office: Office) -> None:
    ticket = await office.opened()
    files = [await given(office, ticket, "customer", name=f"{name}.bin") for name in "ab"]
    ids = [file["id"] for file in files]
    headers = {"Idempotency-Key": fresh()}
    body = {"body": "See these.", "attachmentIds": [*ids, ids[0]]}
    said = await office.call("customer", "POST", path(ticket) + "/comments", json=body, headers=headers)
    assert said.status_code == 201, said.text
    shown = [{name: file[name] for name in ("id", "fileName", "contentType", "size")} for file in files]
    assert said.json()["attachments"] == shown
    again = await office.call("customer", "POST", path(ticket) + "/comments", json=body, headers=headers)
    assert again.json()["attachments"] == shown
    [comment] = await office.listed(url=path(ticket) + "/comments")
    assert comment["attachments"] == shown
    assert {file["commentId"] for file in await office.listed(url=path(ticket) + "/attachments")} == {comment["id"]}


async def test_a_page_of_comments_takes_as_many_statements_as_one_comment(office: Office) -> None:
    counts: list[int] = []
    engine = office.front.app.state.services.engine.sync_engine

    def count(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        # What runs in the background asks for neither.
        counts[-1] += "ticket_comments" in statement or "attachments" in statement

    for many in (1, 6):
        ticket = await office.opened()
        for _ in range(many):
            await office.commented(ticket, attachmentIds=[(await given(office, ticket))["id"]])
        counts.append(0)
        event.listen(engine, "before_cursor_execute", count)
        comments = await office.listed(url=path(ticket) + "/comments")
        event.remove(engine, "before_cursor_execute", count)
        assert [len(comment["attachments"]) for comment in comments] == [1] * many
    assert counts == [2, 2]


async def test_a_comment_takes_only_files_of_its_own_ticket_that_nothing_was_said_with(office: Office) -> None:
    ticket, other = await office.opened(), await office.opened()
    used, elsewhere, free = [await given(office, on) for on in (ticket, other, ticket)]
    await office.commented(ticket, attachmentIds=[used["id"]])
    before = await office.counts()
    for ids in ([used["id"]], [elsewhere["id"]], [free["id"], some_id()], [used["id"], free["id"]]):
        body = {"body": "See this.", "attachmentIds": ids}
        answer = await office.call("agent", "POST", path(ticket) + "/comments", json=body)
        assert places(problem(answer, 422, "unknown-file")) == {"/attachmentIds"}
    many = {"body": "See these.", "attachmentIds": [some_id()[:-2] + f"{n:02}" for n in range(21)]}
    problem(await office.call("agent", "POST", path(ticket) + "/comments", json=many), 422, "invalid")
    assert await office.counts() == before
    await office.commented(ticket, attachmentIds=[free["id"]])


async def test_a_ticket_is_opened_with_files_that_were_uploaded_before(office: Office) -> None:
    file = await given(office, None, "customer")
    assert file["ticketId"] is None
    ticket = await office.opened("customer", attachmentIds=[file["id"]])
    [listed] = await office.listed("customer", url=path(ticket) + "/attachments")
    assert (listed["id"], listed["ticketId"], listed["commentId"]) == (file["id"], ticket["id"], None)
    before = await office.counts()
    for who in ("customer", "agent"):
        body = {"customerEmail": "customer@example.com", "subject": "S", "description": "D"}
        for ids in ([file["id"]], [some_id()]):
            answer = await office.call(who, "POST", "/api/tickets", json=body | {"attachmentIds": ids})
            assert places(problem(answer, 422, "unknown-file")) == {"/attachmentIds"}
    assert await office.counts() == before


async def test_a_reply_on_a_closed_ticket_takes_its_files_along_into_the_follow_up(office: Office) -> None:
    ticket = await office.opened()
    file = await given(office, ticket, "customer")
    await office.patched(ticket, status="RESOLVED")
    await office.patched(ticket, status="CLOSED")
    comment = await office.commented(ticket, "customer", attachmentIds=[file["id"]])
    assert comment["ticketId"] != ticket["id"]
    assert [each["id"] for each in comment["attachments"]] == [file["id"]]
    [moved] = await office.listed("customer", url=f"/api/tickets/{comment['ticketId']}/attachments")
    assert (moved["id"], moved["commentId"]) == (file["id"], comment["id"])
    assert await office.listed(url=path(ticket) + "/attachments") == []
    [opening] = await office.listed("customer", url=f"/api/tickets/{comment['ticketId']}/comments")
    assert opening["attachments"] == comment["attachments"]


async def test_a_reply_on_a_merged_ticket_takes_its_files_along_to_the_other(office: Office) -> None:
    source, target = await office.opened(), await office.opened()
    file = await given(office, source, "customer")
    merged = await office.call("agent", "POST", path(source) + "/merge", json={"intoId": target["id"]})
    assert merged.status_code == 200, merged.text
    problem(await upload(office, source, files={"file": ("a", b"x")}), 409, "ticket-final")
    comment = await office.commented(source, "customer", attachmentIds=[file["id"]])
    assert comment["ticketId"] == target["id"]
    assert [each["id"] for each in comment["attachments"]] == [file["id"]]


async def test_files_of_no_ticket_or_of_another_tenants_are_not_taken(office: Office) -> None:
    before = stored(office)
    ticket = await office.opened()
    for who, where in (("agent", {"id": some_id()}), ("otherAdmin", ticket)):
        problem(await upload(office, where, who, files={"file": ("a", some_bytes())}), 404, "not-found")
    assert stored(office) == before


async def test_content_that_the_store_lacks_is_told_before_the_answer_begins(office: Office) -> None:
    file = await given(office, await office.opened())
    [place] = Path(office.front.settings.files_dir).rglob(file["sha256"])
    place.unlink()
    problem(await got(office, file), 503, "unavailable")


def keeper(office: Office) -> FileUpkeep:
    """What tidies up, over the same store."""
    return FileUpkeep(office.front.app.state.services.engine, FolderBlobs(Path(office.front.settings.files_dir)))


async def aged(office: Office, *files: Mapping[str, Any], days: int) -> None:
    """Let rows and content be so old."""
    past = datetime.now(UTC) - timedelta(days=days)
    engine = office.front.app.state.services.engine
    async with tenant_transaction(engine, office.front.seed.tenant_id) as connection:
        for file in files:
            statement = "update attachments set created_at = %s where id = %s"
            await connection.exec_driver_sql(statement, (past, UUID(file["id"])))
    for file in files:
        for place in Path(office.front.settings.files_dir).rglob(file["sha256"]):
            os.utime(place, (past.timestamp(), past.timestamp()))


async def test_what_was_never_used_goes_after_a_week_and_its_content_with_it(office: Office) -> None:
    ticket = await office.opened()
    old, young, said = await given(office, ticket), await given(office, ticket), await given(office, ticket)
    shared = some_bytes()
    unused, used = [await given(office, ticket, content=shared) for _ in range(2)]
    await office.commented(ticket, attachmentIds=[said["id"], used["id"]])
    await aged(office, old, said, unused, used, days=8)
    await aged(office, young, days=6)
    await keeper(office).round(datetime.now(UTC))
    statuses = [(await got(office, file)).status_code for file in (old, unused, young, said, used)]
    assert statuses == [404, 404, 200, 200, 200]
    assert old["sha256"] not in stored(office)
    assert (await got(office, used)).content == shared


async def test_content_that_is_uploaded_again_is_not_dropped_with_its_old_row(office: Office) -> None:
    ticket, content = await office.opened(), some_bytes()
    old = await given(office, ticket, content=content)
    await aged(office, old, days=8)
    upkeep = keeper(office)
    await upkeep._unused(office.front.seed.tenant_id, datetime.now(UTC))
    again = await given(office, ticket, content=content)
    await upkeep.round(datetime.now(UTC))
    assert (await got(office, old)).status_code == 404
    assert (await got(office, again)).content == content


async def test_a_file_that_a_comment_is_taking_at_this_moment_is_not_dropped(office: Office) -> None:
    ticket = await office.opened()
    file = await given(office, ticket)
    await aged(office, file, days=8)
    engine = office.front.app.state.services.engine
    async with tenant_transaction(engine, office.front.seed.tenant_id) as connection:
        await connection.exec_driver_sql("select from attachments where id = %s for key share", (UUID(file["id"]),))
        async with asyncio.timeout(5):
            await keeper(office).round(datetime.now(UTC))
    await office.commented(ticket, attachmentIds=[file["id"]])


async def test_of_two_tickets_that_say_a_file_at_once_one_gets_it(office: Office) -> None:
    for _ in range(4):
        tickets = [await office.opened() for _ in range(2)]
        uploaded = await office.call("agent", "POST", "/api/attachments", files={"file": ("a.txt", b"a")})
        file = uploaded.json()["id"]
        body = {"body": "See this.", "attachmentIds": [file]}
        answers = await asyncio.gather(
            *(
                office.call("agent", "POST", path(ticket) + "/comments", json=body)
                for ticket in tickets
                for _ in range(3)
            )
        )
        assert sorted(answer.status_code for answer in answers) == [201] + 5 * [422]
        [said] = [answer.json() for answer in answers if answer.status_code == 201]
        assert [each["id"] for each in said["attachments"]] == [file]
