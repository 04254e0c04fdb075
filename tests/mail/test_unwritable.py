"""Mail from where no mail can go: a ticket like any other, to which nothing is sent that nobody has written."""

import uuid
from typing import Any

import pytest

from tests.mail.postoffice import PostOffice, letter

FROM = {
    "a literal": "user-{mark}@[127.0.0.1]",
    "a quoted local part": '"quoted {mark}"@example.org',
    "another alphabet": "ünï-{mark}@exämple.org",
    "nobody's domain": "user-{mark}@shop.invalid",
}


@pytest.fixture(params=FROM.values(), ids=FROM)
def sender(request: pytest.FixtureRequest) -> str:
    made: str = request.param.format(mark=uuid.uuid4().hex[:8])
    return made


async def opened(post: PostOffice, sender: str) -> dict[str, Any]:
    raw = letter().as_bytes().replace(b"Casey <casey@shop.example>", sender.encode(), 1)
    [row] = await post.send(raw)
    assert row["state"] == "DONE", row
    return await post.ticket(row["ticket_id"])


async def test_only_an_answer_is_tried(post: PostOffice, sender: str) -> None:
    ticket = await opened(post, sender)
    assert ticket["customerEmail"] == sender
    await post.front.call("agent", "POST", f"/api/tickets/{ticket['id']}/comments", json={"body": "Who are you?"})
    await post.moved(ticket, "RESOLVED")
    mails = await post.rows(
        "select template from notifications where process_id = %(id)s and channel = 'EMAIL'", id=ticket["id"]
    )
    assert [each["template"] for each in mails] == ["ticket_reply"]


async def test_its_tickets_are_found_by_it(post: PostOffice, sender: str) -> None:
    ticket = await opened(post, sender)
    for asked in (sender, sender.upper()):
        found = await post.front.call("agent", "GET", "/api/tickets", params={"customerEmail": asked})
        assert found.status_code == 200, found.text
        assert [each["id"] for each in found.json()["data"]] == [ticket["id"]]
