"""What machines send is told from what people write: bounces, holiday notices, lists."""

import pytest

from domain.mail.message import read_mail

BOUNCE = b"""\
From: Mail Delivery System <MAILER-DAEMON@mx.example>
To: support@summit.example
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

I'm sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; Gone@Shop.Example
Original-Recipient: rfc822;gone@shop.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <gone@shop.example>: unknown

Final-Recipient: rfc822; slow@shop.example
Action: delayed
Status: 4.4.1
--b
Content-Type: text/rfc822-headers

From: support@summit.example
Message-ID: <0198c7f2-6c1e-7d3a-9b3f-3f1f6d2f9a11@summit.example>
--b--
"""


def test_a_report_says_who_cannot_be_reached_and_which_mail_it_was() -> None:
    report = read_mail(BOUNCE).bounce
    assert report is not None
    assert [(each.recipient, each.status, each.hard) for each in report.deliveries] == [
        ("gone@shop.example", "5.1.1", True),
        ("slow@shop.example", "4.4.1", False),
    ]
    assert report.message_ids == ("0198c7f2-6c1e-7d3a-9b3f-3f1f6d2f9a11@summit.example",)


def test_a_status_is_read_from_the_answer_of_the_server_where_there_is_no_other() -> None:
    raw = BOUNCE.replace(b"Status: 5.1.1\n", b"").replace(b"550 5.1.1 ", b"550 ")
    report = read_mail(raw).bounce
    assert report is not None
    assert (report.deliveries[0].status, report.deliveries[0].hard) == ("5.0.0", False)


@pytest.mark.parametrize(
    ("action", "status", "hard"),
    [
        *(("failed", each, True) for each in ("5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1")),
        *(("failed", each, False) for each in ("5.1.4", "5.1.8", "5.2.2", "5.3.4", "5.4.4", "5.4.7", "5.7.1", "4.1.1")),
        ("delayed", "5.1.1", False),
        ("expanded", "5.1.1", False),
    ],
)
def test_d18_only_what_is_about_the_address_itself_is_for_good(action: str, status: str, hard: bool) -> None:
    raw = BOUNCE.replace(b"Action: failed\nStatus: 5.1.1", f"Action: {action}\nStatus: {status}".encode())
    report = read_mail(raw).bounce
    assert report is not None
    assert (report.deliveries[0].status, report.deliveries[0].hard) == (status, hard)


def test_mail_of_servers_is_a_bounce_whatever_its_form() -> None:
    old = b"From: MAILER-DAEMON@mx.example\r\n\r\nHi.\n\n--- Below\n\nMessage-ID: <1@summit.example>\nSubject: x\n"
    report = read_mail(old).bounce
    assert report is not None
    assert report.message_ids == ("1@summit.example",)
    assert read_mail(b"From: a@x.example\r\n\r\nHi", sender="").bounce is not None
    assert read_mail(b"Return-Path: <>\r\nFrom: a@x.example\r\n\r\nHi").bounce is not None
    assert read_mail(b"From: a@x.example\r\n\r\nHi", sender="a@x.example").bounce is None
    assert read_mail(b"From: bouncer@x.example\r\n\r\nHi").bounce is None


def test_a_holiday_notice_is_none_although_nobody_may_answer_it() -> None:
    read = read_mail(b"From: a@x.example\r\nAuto-Submitted: auto-replied\r\n\r\nAway.", sender="")
    assert (read.bounce, read.machine) == (None, "Auto-Submitted: auto-replied")


def test_a_receipt_of_a_reader_is_no_bounce() -> None:
    raw = BOUNCE.replace(b"report-type=delivery-status", b"report-type=disposition-notification")
    raw = raw.replace(b"MAILER-DAEMON", b"casey").replace(
        b"message/delivery-status", b"message/disposition-notification"
    )
    assert read_mail(raw).bounce is None


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-generated; owner=x",
        "X-Autoreply: yes",
        "X-Autorespond: Out of office",
        "Precedence: bulk",
        "Precedence: list",
        "Precedence: Auto_Reply",
        "Precedence: junk",
        "X-Auto-Response-Suppress: All",
        "X-Auto-Response-Suppress: DR, OOF, AutoReply",
        "List-Id: <news.x.example>",
        "List-Unsubscribe: <mailto:x@x.example>",
    ],
)
def test_d19_machines_are_known_by_their_headers(header: str) -> None:
    assert read_mail(f"From: a@x.example\r\n{header}\r\n\r\nHi".encode()).machine is not None


@pytest.mark.parametrize(
    "headers",
    [
        "Auto-Submitted: no",
        "Auto-Submitted: No (human)\r\nPrecedence: bulk",
        "Precedence: first-class",
        "X-Autoreply: no",
    ],
)
def test_d19_people_are_people(headers: str) -> None:
    assert read_mail(f"From: a@x.example\r\n{headers}\r\n\r\nHi".encode()).machine is None


def test_mail_of_a_desk_says_whose_it_is_and_whether_a_person_wrote_it() -> None:
    answer = read_mail(b"X-Summit: globex\r\nX-Auto-Response-Suppress: OOF, AutoReply\r\n\r\nHi")
    assert (answer.origin, answer.machine) == ("globex", None)
    notice = read_mail(b"X-Summit: globex\r\nAuto-Submitted: auto-generated\r\n\r\nHi")
    assert notice.machine is not None
    assert read_mail(b"Subject: x\r\n\r\nHi").origin is None
