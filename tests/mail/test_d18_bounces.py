"""D18: a bounce of one of our mails answers nothing, reopens nothing, moves no clock, and is seen; a hard one ends the writing."""

import uuid

import pytest

from tests.mail.postoffice import PostOffice, answer, fresh

REPORT = """\
From: Mail Delivery System <MAILER-DAEMON@mx.example>
To: support@summit.example
Subject: Undelivered Mail Returned to Sender
Message-ID: <{id}@mx.example>
Auto-Submitted: auto-replied
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b

I'm sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}
--b
Content-Type: message/rfc822

From: support@summit.example
Message-ID: <{original}@summit.example>
Subject: [SUP-1] No dashboard

It works again.
--b--
"""


def report(recipient: str, original: object, status: str = "5.1.1", action: str = "failed") -> bytes:
    values = {"id": uuid.uuid4().hex, "recipient": recipient, "original": original, "status": status, "action": action}
    return REPORT.format(**values).replace("\n", "\r\n").encode()


async def suppressed(post: PostOffice, address: str) -> str | None:
    found = await post.rows("select status from mail_suppressions where address = %(address)s", address=address)
    return str(found[0]["status"]) if found else None


async def test_d18_a_bounce_changes_nothing_and_is_parked_with_its_ticket(post: PostOffice) -> None:
    sender = fresh()
    _, ticket = await post.opened(sender=sender)
    resolved = await post.moved(ticket, "RESOLVED")
    [notice] = await post.told(ticket, "ticket_received")
    before = await post.clocks(ticket)
    row = await post.parked(report(sender, notice["id"]), sender="")
    assert (row["reason"], str(row["ticket_id"])) == ("BOUNCE", ticket["id"])
    assert row["detail"] == f"{sender}: failed 5.1.1"
    after = await post.ticket(ticket["id"])
    assert (after["status"], after["version"]) == ("RESOLVED", resolved["version"])
    assert await post.comments(ticket) == []
    assert await post.clocks(ticket) == before
    listed = await post.front.call("lead", "GET", "/api/mail/inbound", params={"state": "PARKED", "reason": "BOUNCE"})
    assert str(row["id"]) in [each["id"] for each in listed.json()["data"]]


async def test_d18_an_address_that_is_gone_is_written_to_no_more(post: PostOffice) -> None:
    sender = fresh()
    _, ticket = await post.opened(sender=sender)
    [notice] = await post.told(ticket, "ticket_received")
    await post.parked(report(sender, notice["id"]), await post.bounce_to(notice["id"]), sender="")
    assert await suppressed(post, sender) == "5.1.1"


async def test_d18_a_report_that_only_names_a_mail_of_ours_is_seen_and_suppresses_nobody(post: PostOffice) -> None:
    victim = fresh()
    _, ticket = await post.opened(sender=victim)
    [notice] = await post.told(ticket, "ticket_received")
    _, own = await post.opened(sender=fresh())
    [other] = await post.told(own, "ticket_received")
    forged = report(victim, notice["id"])
    row = await post.parked(forged, sender="")
    assert (row["reason"], str(row["ticket_id"])) == ("BOUNCE", ticket["id"])
    await post.parked(report(victim, notice["id"]), await post.bounce_to(other["id"]), sender="")
    await post.parked(report(victim, notice["id"]), await post.reply_to(ticket), sender="")
    assert await suppressed(post, victim) is None


async def test_d18_the_address_for_bounces_tells_whose_it_is_whatever_the_report_says(post: PostOffice) -> None:
    sender = fresh()
    _, ticket = await post.opened(sender=sender)
    [notice] = await post.told(ticket, "ticket_received")
    raw = report("postmaster@elsewhere.example", "nothing", "5.1.2")
    row = await post.parked(raw, await post.bounce_to(notice["id"]), sender="")
    assert str(row["ticket_id"]) == ticket["id"]
    assert await suppressed(post, sender) == "5.1.2"


@pytest.mark.parametrize("status", ["5.2.2", "5.3.4", "5.4.7", "5.7.1"])
async def test_d18_what_says_nothing_about_the_address_is_seen_and_suppresses_nobody(
    post: PostOffice, status: str
) -> None:
    sender = fresh()
    _, ticket = await post.opened(sender=sender)
    [notice] = await post.told(ticket, "ticket_received")
    row = await post.parked(report(sender, notice["id"], status), await post.bounce_to(notice["id"]), sender="")
    assert (row["reason"], str(row["ticket_id"])) == ("BOUNCE", ticket["id"])
    assert await suppressed(post, sender) is None


async def test_d18_a_delay_is_seen_and_suppresses_nobody(post: PostOffice) -> None:
    sender = fresh()
    _, ticket = await post.opened(sender=sender)
    [notice] = await post.told(ticket, "ticket_received")
    row = await post.parked(
        report(sender, notice["id"], "4.4.1", "delayed"), await post.bounce_to(notice["id"]), sender=""
    )
    assert row["reason"] == "BOUNCE"
    assert await suppressed(post, sender) is None


async def test_d18_a_report_about_no_mail_of_ours_suppresses_nobody(post: PostOffice) -> None:
    victim = fresh()
    row = await post.parked(report(victim, uuid.uuid4()), sender="")
    assert (row["reason"], row["ticket_id"]) == ("BOUNCE", None)
    assert await suppressed(post, victim) is None


async def test_d18_mail_that_must_not_be_answered_is_parked_even_as_an_answer(post: PostOffice) -> None:
    sender = fresh()
    mail, ticket = await post.opened(sender=sender)
    row = await post.parked(answer(mail, "Undeliverable", sender=sender), sender="")
    assert row["reason"] == "BOUNCE"
    assert await post.comments(ticket) == []
