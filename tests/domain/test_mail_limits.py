"""What senders of bad intent write costs no more than its length: bounds are generous, but nothing quadratic keeps to them."""

import time

from domain.mail.message import InboundMail, read_mail

SIZE = 64 * 1024
"""What is read quadratically takes many seconds at this size."""


def report(status: bytes) -> bytes:
    """A mail server's report with this for the machine to read."""
    return (
        b"From: mailer-daemon@mx.example\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        b"--b\r\n\r\nIt did not arrive.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        + status
        + b"\r\n--b--\r\n"
    )


def read_soon(raw: bytes) -> InboundMail:
    """A mail, read within two seconds."""
    begun = time.perf_counter()
    read = read_mail(raw)
    assert time.perf_counter() - begun < 2.0
    return read


def test_a_report_of_one_long_line_is_passed_over() -> None:
    read = read_soon(
        report(b"x" * SIZE + b"\r\nFinal-Recipient: rfc822; a@x.example\r\nAction: failed\r\nStatus: 5.1.1")
    )
    assert read.bounce is not None
    assert [(each.recipient, each.hard) for each in read.bounce.deliveries] == [("a@x.example", True)]


def test_a_report_of_many_recipients_is_read_as_far_as_a_hundred() -> None:
    groups = b"".join(b"Final-Recipient: rfc822; a%d@x.example\r\nAction: failed\r\n\r\n" % n for n in range(2_000))
    read = read_soon(report(b"Reporting-MTA: dns; mx.example\r\n\r\n" + groups))
    assert read.bounce is not None
    assert [each.recipient for each in read.bounce.deliveries] == [f"a{n}@x.example" for n in range(100)]
