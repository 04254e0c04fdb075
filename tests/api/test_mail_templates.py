"""Wordings of mails to customers over HTTP, and the mails that they become."""

import csv
import io
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from domain.notifications.wordings import KINDS
from tests.api.front import Front, places, problem
from tests.domain.test_wording import ATTACKS
from tests.notifications.mailroom import Mailroom, mailroom
from tests.notifications.test_mail import text_of
from tests.stack import Database

PATH = "/api/mail-templates"
TEXT = "Danke! Ihre Anfrage ist {{ number }}.\n\nAnsehen: {{ link }}"


@pytest_asyncio.fixture(loop_scope="session")
async def worded(api: Front) -> AsyncIterator[Front]:
    """The API; what a test words is as ever after it."""
    yield api
    for name in KINDS:
        assert (await api.call("admin", "DELETE", f"{PATH}/{name}")).status_code == 204


async def test_every_mail_to_customers_is_listed_with_what_it_can_say(worded: Front) -> None:
    listed = (await worded.call("admin", "GET", PATH)).json()
    assert [each["name"] for each in listed["data"]] == list(KINDS)
    assert listed["page"] == {"nextCursor": None, "hasMore": False}
    by_name = {each["name"]: each for each in listed["data"]}
    reply = by_name["ticket_reply"]
    assert (reply["own"], reply["updatedAt"], reply["default"]["subject"]) == (None, None, "{{ subject }}")
    assert [each["name"] for each in reply["placeholders"] if each["needed"]] == ["comment"]
    assert by_name["footer"]["default"] == {"subject": None, "text": "{{ desk }}"}


async def test_a_mail_is_worded_and_worded_as_ever_again(worded: Front) -> None:
    path = f"{PATH}/ticket_received"
    put = await worded.call("admin", "PUT", path, json={"text": TEXT})
    assert (put.status_code, put.json()["own"]) == (200, {"subject": None, "text": TEXT})
    assert (await worded.call("admin", "GET", path)).json() == put.json()
    other = (await worded.call("otherAdmin", "GET", path)).json()
    assert (other["own"], other["default"]) == (None, put.json()["default"])
    only = await worded.call("admin", "PUT", path, json={"subject": "Anfrage: {{ subject }}", "text": None})
    assert only.json()["own"] == {"subject": "Anfrage: {{ subject }}", "text": None}
    for _ in range(2):
        assert (await worded.call("admin", "DELETE", path)).status_code == 204
    assert (await worded.call("admin", "GET", path)).json()["own"] is None


async def test_every_fault_is_named_and_nothing_is_changed(worded: Front) -> None:
    bad = {"subject": "{{ comment }} {{ what }}\n", "text": "{{ who }} {{ when }} {{ who }} {% if %}"}
    refused = problem(await worded.call("admin", "PUT", f"{PATH}/ticket_reply", json=bad), 422, "bad-wording")
    told = [(error["pointer"], error["code"]) for error in refused["errors"]]
    assert sorted(told) == sorted(
        [
            ("/subject", "placeholder"),
            ("/subject", "placeholder"),
            ("/subject", "control_character"),
            ("/text", "placeholder"),
            ("/text", "placeholder"),
            ("/text", "missing"),
            ("/text", "syntax"),
            ("/text", "syntax"),
        ]
    )
    details = " ".join(error["detail"] for error in refused["errors"])
    assert all(f"{{{{ {name} }}}}" in details for name in ("what", "who", "when", "comment"))
    assert (await worded.call("admin", "GET", f"{PATH}/ticket_reply")).json()["own"] is None


@pytest.mark.parametrize("attack", ATTACKS)
async def test_no_code_gets_into_a_wording(worded: Front, attack: str) -> None:
    body = {"subject": attack, "text": attack, "footer": attack}
    refused = problem(
        await worded.call("admin", "POST", f"{PATH}/ticket_closed/preview", json=body), 422, "bad-wording"
    )
    assert places(refused) == {"/subject", "/text", "/footer"}


@pytest.mark.parametrize(
    ("name", "body", "named"),
    [
        ("ticket_closed", {}, {"/text"}),
        ("ticket_closed", {"text": "  \n "}, {"/text"}),
        ("ticket_closed", {"subject": ""}, {"/subject"}),
        ("footer", {"subject": "x", "text": "{{ number }}"}, {"/subject", "/text"}),
    ],
)
async def test_a_wording_that_says_nothing_is_refused(
    worded: Front, name: str, body: dict[str, str], named: set[str]
) -> None:
    assert places(problem(await worded.call("admin", "PUT", f"{PATH}/{name}", json=body), 422, "bad-wording")) == named


async def test_what_is_too_long_or_unknown_is_refused(worded: Front) -> None:
    bad = {"subject": "x" * 201, "text": "x" * 20_001, "footer": "x"}
    answer = await worded.call("admin", "PUT", f"{PATH}/ticket_closed", json=bad)
    assert places(problem(answer, 422, "invalid")) == {"/subject", "/text", "/footer"}
    assert places(
        problem(await worded.call("admin", "PUT", f"{PATH}/ticket_closed", json={"text": "a\0"}), 422, "invalid")
    )
    for name in ("invitation", "ticket_absorbed", "__class__"):
        answer = await worded.call("admin", "PUT", f"{PATH}/{name}", json={"text": "x"})
        assert places(problem(answer, 422, "invalid")) == {"template_name"}


@pytest.mark.parametrize("name", KINDS)
async def test_every_mail_can_be_previewed(worded: Front, name: str) -> None:
    made = (await worded.call("admin", "POST", f"{PATH}/{name}/preview", json={})).json()
    assert made["subject"] == "Re: [SUP-1042] Unable to access dashboard"
    assert made["html"].startswith("<!doctype html>")
    assert "{{" not in made["text"] + made["html"]


async def test_a_preview_shows_what_is_tried_and_keeps_nothing(worded: Front) -> None:
    tried = {"subject": "Zu: {{ subject }}", "text": "<b>{{ number }}</b> & mehr\n\n" + TEXT, "footer": "Ihr Team"}
    made = (await worded.call("admin", "POST", f"{PATH}/ticket_received/preview", json=tried)).json()
    assert made["subject"] == "Re: [SUP-1042] Zu: Unable to access dashboard"
    assert "<b>SUP-1042</b> & mehr" in made["text"]
    assert "&lt;b&gt;SUP-1042&lt;/b&gt; &amp; mehr" in made["html"]
    assert made["text"].endswith("-- \nIhr Team\n")
    assert ">Ansehen</a>" in made["html"]
    assert (await worded.call("admin", "GET", f"{PATH}/ticket_received")).json()["own"] is None
    footer = (await worded.call("admin", "POST", f"{PATH}/footer/preview", json={"text": "Fuß"})).json()
    assert footer["text"].startswith("Hello Casey,")
    assert footer["text"].endswith("-- \nFuß\n")


async def test_a_wording_holds_from_the_next_mail_on_for_its_tenant_alone(worded: Front, postgres: Database) -> None:
    async with mailroom(postgres, worded.seed) as room:
        ticket = await room.ticket()
        read = await sent(room, ticket)
        assert read.startswith("Your request SUP-")
        await worded.call("admin", "PUT", f"{PATH}/ticket_closed", json={"text": "Erledigt: {{ number }}"})
        await worded.call("admin", "PUT", f"{PATH}/footer", json={"text": "Ihr {{ desk }}-Team"})
        read = await sent(room, ticket)
        assert read.startswith("Erledigt: SUP-")
        assert read.endswith("-- \nIhr Acme Support-Team\n")
        await worded.call("admin", "PUT", f"{PATH}/ticket_closed", json={"text": "Fertig: {{ number }}"})
        assert (await sent(room, ticket)).startswith("Fertig: SUP-")
        for name in ("ticket_closed", "footer"):
            await worded.call("admin", "DELETE", f"{PATH}/{name}")
        assert (await sent(room, ticket)).startswith("Your request SUP-")


async def sent(room: Mailroom, ticket: uuid.UUID) -> str:
    """The text of a mail that goes out now."""
    address = f"{uuid.uuid4().hex}@shop.example"
    await room.post("ticket_closed", address, ticket=ticket)
    await room.dispatcher.drain()
    [mail] = room.mail.to(address)
    return text_of(mail)


async def test_a_wording_that_has_changed_meanwhile_is_not_overwritten(worded: Front) -> None:
    path = f"{PATH}/ticket_received"
    untouched = await worded.call("admin", "GET", path)
    assert (untouched.headers["etag"], untouched.json()["version"]) == ('"v0"', 0)
    first = await worded.call("admin", "PUT", path, json={"text": TEXT}, headers={"If-Match": '"v0"'})
    seen = {"If-Match": first.headers["etag"]}
    assert (await worded.call("admin", "GET", path)).headers["etag"] == first.headers["etag"]
    await worded.call("admin", "PUT", f"{PATH}/footer", json={"text": "Ihr Team"})
    second = await worded.call("admin", "PUT", path, json={"subject": "Neu"}, headers=seen)
    assert (second.status_code, second.json()["own"]["subject"]) == (200, "Neu")
    for stale in (seen, {"If-Match": '"v0"'}):
        problem(await worded.call("admin", "PUT", path, json={"text": TEXT}, headers=stale), 412, "stale")
        problem(await worded.call("admin", "DELETE", path, headers=stale), 412, "stale")
    now = {"If-Match": second.headers["etag"]}
    assert (await worded.call("admin", "DELETE", path, headers=now)).status_code == 204
    again = await worded.call("admin", "PUT", path, json={"text": TEXT}, headers={"If-Match": '"v0"'})
    assert again.json()["version"] > second.json()["version"], "none comes a second time"


async def test_mails_are_listed_page_by_page_and_as_a_file(worded: Front) -> None:
    first = (await worded.call("admin", "GET", PATH, params={"limit": 3})).json()
    rest = (await worded.call("admin", "GET", PATH, params={"cursor": first["page"]["nextCursor"]})).json()
    assert [each["name"] for each in (*first["data"], *rest["data"])] == list(KINDS)
    assert rest["page"] == {"nextCursor": None, "hasMore": False}
    file = await worded.call("admin", "GET", PATH, headers={"Accept": "text/csv"})
    rows = csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"), newline=""))
    assert [row["name"] for row in rows] == list(KINDS)
