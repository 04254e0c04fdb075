"""Mail handed over by HTTP, and what leads decide about mail that was parked."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from activities.notifications.making import Upkeep
from activities.notifications.measures import Measures
from db.connections import decision_pool
from notify.maildir import Maildir
from runtime.settings import APP_ROLE
from tests.api.front import places, problem
from tests.api.keys import call, made
from tests.mail.conftest import AUTHORITY
from tests.mail.postoffice import SUPPORT, PostOffice, answer, fresh, letter

MAIL = {"Content-Type": "message/rfc822"}
INBOUND = "/api/mail/inbound"


async def hand_over(post: PostOffice, content: bytes, who: str = "lead", **how: Any) -> httpx.Response:
    headers = {**MAIL, **how.pop("headers", {})}
    return await post.front.call(who, "POST", INBOUND, content=content, headers=headers, params=how)


async def decided(post: PostOffice, mail_id: Any, verb: str, who: str = "lead", **headers: str) -> httpx.Response:
    return await post.front.call(who, "POST", f"{INBOUND}/{mail_id}/{verb}", headers=headers)


async def test_a_mail_that_is_handed_over_becomes_a_ticket(post: PostOffice) -> None:
    sender = fresh()
    taken = await hand_over(post, letter(sender=sender).as_bytes(), sender=sender)
    assert taken.status_code == 202, taken.text
    assert taken.headers["location"] == f"{INBOUND}/{taken.json()['id']}"
    [row] = await post.settled([uuid.UUID(taken.json()["id"])])
    assert (await post.ticket(row["ticket_id"]))["customerEmail"] == sender
    shown = (await post.front.call("lead", "GET", taken.headers["location"])).json()
    assert (shown["state"], shown["ticketId"], shown["envelopeSender"]) == ("DONE", str(row["ticket_id"]), sender)


async def test_the_mailbox_is_named_or_told_by_headers_or_the_default(post: PostOffice) -> None:
    address = fresh("named")
    box = await post.front.created("admin", "/api/mailboxes", {"address": address, "name": "Named"})
    [default] = await post.rows("select id from mailboxes where address = %(a)s", a=SUPPORT)
    for mail, how, mailbox in (
        (letter(sender=fresh()), {"recipient": f"{address}".upper()}, box["id"]),
        (letter(sender=fresh(), to=f"a@x.example, {address}"), {}, box["id"]),
        (letter(sender=fresh(), to="a@x.example", Delivered_To=address), {}, box["id"]),
        (letter(sender=fresh(), to="somebody@x.example"), {}, str(default["id"])),
        (letter(sender=fresh(), to="support@globex.example"), {}, str(default["id"])),
    ):
        taken = (await hand_over(post, mail.as_bytes(), **how)).json()
        [row] = await post.mails([uuid.UUID(taken["id"])])
        assert str(row["mailbox_id"]) == mailbox


@pytest.mark.parametrize("recipient", ["nobody@summit.example", "support@globex.example", "x", ""])
async def test_a_mailbox_that_the_tenant_does_not_have_is_refused(post: PostOffice, recipient: str) -> None:
    refused = await hand_over(post, letter(sender=fresh()).as_bytes(), recipient=recipient)
    assert places(problem(refused, 422, "unreadable-mail")) == {"recipient"}


async def test_what_is_no_mail_is_refused(post: PostOffice) -> None:
    problem(await hand_over(post, b" \r\n"), 422, "unreadable-mail")
    problem(await hand_over(post, b"{}", headers={"Content-Type": "application/json"}), 422, "unreadable-mail")
    problem(await hand_over(post, b"x" * 2_000_001), 413, "body-too-large")
    assert (await hand_over(post, letter("x" * 1_900_000, sender=fresh()).as_bytes())).status_code == 202


async def test_a_key_belongs_to_one_mail(post: PostOffice) -> None:
    sender = fresh()
    raw, key = letter(sender=sender).as_bytes(), {"Idempotency-Key": uuid.uuid4().hex}
    first = await hand_over(post, raw, headers=key)
    assert first.status_code == 202, first.text
    assert (await hand_over(post, raw, headers=key)).json() == first.json()
    problem(await hand_over(post, letter("Another.", sender=sender).as_bytes(), headers=key), 422, "key-reused")
    assert len(await post.rows("select id from inbound_mails where author = %(who)s", who=sender)) == 1


async def test_a_key_that_was_made_for_it_hands_mail_over_and_decides_nothing(post: PostOffice) -> None:
    key = await made(post.front, "AGENT", "mail:write")
    taken = await call(
        post.front, key, "POST", INBOUND, content=letter(sender=fresh(), Precedence="bulk").as_bytes(), headers=MAIL
    )
    assert taken.status_code == 202, taken.text
    [row] = await post.settled([uuid.UUID(taken.json()["id"])])
    problem(await call(post.front, key, "POST", f"{INBOUND}/{row['id']}/accept"), 403, "role-too-low")


async def test_an_agent_cannot_write_as_somebody_else_by_handing_over_what_a_mail_server_would_say(
    post: PostOffice,
) -> None:
    mail, ticket = await post.opened(sender=fresh())
    proof = f"{AUTHORITY}; dmarc=pass header.from=acme-support.example"
    forged = answer(mail, "#resolve", sender="lead@acme-support.example", Authentication_Results=proof)
    problem(await hand_over(post, forged.as_bytes(), "agent"), 403, "role-too-low")
    assert (await post.ticket(ticket["id"]))["status"] == ticket["status"]


async def test_customers_hand_nothing_over_and_agents_decide_nothing(post: PostOffice) -> None:
    problem(await hand_over(post, letter().as_bytes(), "customer"), 403, "role-too-low")
    row = await post.parked(letter(sender=fresh(), Precedence="bulk"))
    problem(await decided(post, row["id"], "accept", "agent"), 403, "role-too-low")


async def test_a_parked_mail_is_read_and_its_page_is_harmless(post: PostOffice) -> None:
    html = (
        "<p onclick='x()'>Hi <a href='javascript:x()'>there</a> <a href='https://x.example'>you</a></p>"
        "<script>x()</script><img src='https://track.example/1.gif'><form action='https://x.example'><input></form>"
        "<p style='position:fixed'>over all</p>"
    )
    row = await post.parked(letter("Hi", sender=fresh(), Precedence="bulk", html=html, files={"a.bin": b"x"}))
    shown = (await post.front.call("lead", "GET", f"{INBOUND}/{row['id']}")).json()
    assert (shown["state"], shown["reason"], shown["detail"]) == ("PARKED", "AUTOMATIC", "Precedence: bulk")
    assert (shown["text"], [file["name"] for file in shown["files"]]) == ("Hi", ["a.bin"])
    assert shown["html"] == (
        '<p>Hi <a rel="noopener noreferrer nofollow">there</a> '
        '<a href="https://x.example" rel="noopener noreferrer nofollow">you</a></p><p>over all</p>\n'
    )


async def test_a_mail_is_given_out_as_it_came_and_never_shown(post: PostOffice) -> None:
    mail = letter(sender=fresh(), Precedence="bulk")
    row = await post.parked(mail)
    given = await post.front.call("lead", "GET", f"{INBOUND}/{row['id']}/raw")
    assert given.content == mail.as_bytes()
    assert given.headers["content-type"] == "message/rfc822"
    assert given.headers["content-disposition"] == f'attachment; filename="{row["id"]}.eml"'
    assert given.headers["content-security-policy"].startswith("sandbox")


async def test_what_was_kept_for_long_enough_is_blank_and_what_it_became_stays(
    post: PostOffice, tmp_path: Path
) -> None:
    mail, ticket = await post.opened(sender=fresh())
    [done] = await post.rows("select id from inbound_mails where ticket_id = %(id)s", id=ticket["id"])
    parked = await post.parked(letter(sender=fresh(), Precedence="bulk"))
    put_aside = await post.parked(letter(sender="agent@acme-support.example"))
    asked = await post.parked(letter(sender="agent@acme-support.example"))
    await decided(post, put_aside["id"], "discard")

    async def pruned(keep_days: int, days: int) -> None:
        async with decision_pool(post.database.app.conninfo(APP_ROLE), 1) as pool:
            upkeep = Upkeep(pool, Measures(), 10_000, keep_days, Maildir(tmp_path))
            await upkeep.prune(datetime.now(UTC) + timedelta(days=days))

    await pruned(0, 29)
    assert (await post.front.call("lead", "GET", f"{INBOUND}/{parked['id']}")).json()["blank"] is False
    await pruned(0, 31)
    for gone in (parked, put_aside):
        problem(await post.front.call("lead", "GET", f"{INBOUND}/{gone['id']}"), 404, "not-found")
    assert (await post.front.call("lead", "GET", f"{INBOUND}/{asked['id']}")).json()["blank"] is False
    assert (await post.front.call("lead", "GET", f"{INBOUND}/{done['id']}/raw")).content == mail.as_bytes()
    await pruned(365, 366)
    shown = (await post.front.call("lead", "GET", f"{INBOUND}/{done['id']}")).json()
    assert (shown["blank"], shown["text"], shown["ticketId"]) == (True, "", ticket["id"])
    problem(await post.front.call("lead", "GET", f"{INBOUND}/{done['id']}/raw"), 404, "not-found")
    problem(await post.front.call("lead", "GET", f"{INBOUND}/{asked['id']}"), 404, "not-found")


async def test_a_parked_mail_is_discarded_and_can_be_taken_back(post: PostOffice) -> None:
    row = await post.parked(letter(sender=fresh(), Precedence="bulk"))
    discarded = await decided(post, row["id"], "discard")
    assert (discarded.json()["state"], discarded.json()["reason"]) == ("DISCARDED", "AUTOMATIC")
    assert (await decided(post, row["id"], "accept")).json()["state"] == "RECEIVED"
    [row] = await post.settled([row["id"]])
    assert (row["state"], row["reason"]) == ("DONE", None)
    for verb in ("accept", "retry", "discard"):
        problem(await decided(post, row["id"], verb), 409, "mail-settled")


async def test_a_retry_judges_again(post: PostOffice) -> None:
    row = await post.parked(letter(sender=fresh(), Precedence="bulk"))
    assert (await decided(post, row["id"], "retry")).status_code == 200
    [row] = await post.settled([row["id"]])
    assert (row["state"], row["reason"], row["accepted"]) == ("PARKED", "AUTOMATIC", False)


async def test_a_retry_vouches_for_nothing_that_was_accepted_before(post: PostOffice) -> None:
    mail, ticket = await post.opened(sender=fresh())
    await post.moved(await post.moved(ticket, "RESOLVED"), "CLOSED")
    row = await post.parked(answer(mail, "One more thing.", sender="agent@acme-support.example"))
    assert row["reason"] == "UNVERIFIED"
    for verb, reason, accepted in (
        ("accept", "REFUSED", True),
        ("discard", "REFUSED", True),
        ("retry", "UNVERIFIED", False),
    ):
        assert (await decided(post, row["id"], verb)).status_code == 200
        [row] = await post.settled([row["id"]])
        assert (row["reason"], row["accepted"]) == (reason, accepted)


async def test_a_decision_under_a_key_is_made_once(post: PostOffice) -> None:
    row = await post.parked(letter(sender=fresh(), Precedence="bulk"))
    key = uuid.uuid4().hex
    first = await decided(post, row["id"], "accept", **{"Idempotency-Key": key})
    await post.settled([row["id"]])
    again = await decided(post, row["id"], "accept", **{"Idempotency-Key": key})
    assert (again.status_code, again.json()) == (200, first.json())


async def test_the_list_is_narrowed_by_state_reason_and_ticket(post: PostOffice) -> None:
    row = await post.parked(letter(sender=fresh(), Precedence="bulk"))
    _, ticket = await post.opened(sender=fresh())

    async def listed(**query: str) -> list[str]:
        found = await post.front.call("lead", "GET", INBOUND, params={"limit": 100, **query})
        assert found.status_code == 200, found.text
        return [each["id"] for each in found.json()["data"]]

    assert str(row["id"]) in await listed(state="PARKED")
    assert str(row["id"]) in await listed(reason="AUTOMATIC")
    assert str(row["id"]) not in await listed(reason="BOUNCE")
    assert str(row["id"]) not in await listed(state="DONE")
    assert len(await listed(ticketId=ticket["id"])) == 1


async def test_a_mailbox_to_which_mail_came_can_only_be_made_inactive(post: PostOffice) -> None:
    address = fresh("used")
    box = await post.front.created("admin", "/api/mailboxes", {"address": address, "name": "Used"})
    await post.send(letter(sender=fresh()), address)
    problem(await post.front.call("admin", "DELETE", f"/api/mailboxes/{box['id']}"), 409, "mailbox-in-use")
