"""What senders of bad intent write costs no more than its length: bounds are generous, but nothing quadratic keeps to them."""

import codecs
import time

import pytest

from domain.mail.authentication import Verdict, verdict
from domain.mail.charsets import CHARSETS, known_charset
from domain.mail.html import LONGEST
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


@pytest.mark.parametrize(
    "name", ["punycode", "-punycode", "punycode-", "_unicode_escape", "raw unicode escape", "idna."]
)
def test_no_spelling_of_a_codec_that_is_no_charset_is_one(name: str) -> None:
    text = b"\\u0041-" + b"a" * SIZE
    assert read_soon(b'Content-Type: text/plain; charset="' + name.encode() + b'"\r\n\r\n' + text).text.startswith(
        "\\u0041-"
    )
    word = f"=?{name.replace(' ', '_')}?Q?\\u0041?="
    assert read_soon(b"Subject: " + word.encode() + b"\r\n\r\n").subject == word
    assert known_charset(name) is None


def test_every_charset_is_one_of_text() -> None:
    for name in CHARSETS:
        codec = codecs.lookup(name)
        assert codec._is_text_encoding
        assert known_charset(name) is not None
        assert codec.decode(b"\xff+\x1b$~{\0\xd8 " * 50, "replace")


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("UTF-8", "utf_8"),
        ("'utf8'", "utf_8"),
        ("us-ascii", "ascii"),
        ("unicode-1-1-utf-7", "utf_7"),
        ("ISO-8859-1", "cp1252"),
        ("iso_8859-15:1998", None),
        ("ISO-8859-15", "iso8859_15"),
        ("iso-8859-8-i", "iso8859_8"),
        ("windows-1251", "cp1251"),
        ("cp-850", "cp850"),
        ("KOI8-R", "koi8_r"),
        ("gb2312", "gb18030"),
        ("cp936", "gb18030"),
        ("hz-gb-2312", "hz"),
        ("Big5", "big5"),
        ("Shift_JIS", "cp932"),
        ("csISO2022JP", "iso2022_jp"),
        ("ks_c_5601-1987", "cp949"),
        ("tis-620", "tis_620"),
        ("windows-874", "cp874"),
        ("macintosh", "mac_roman"),
        ("x-unknown", None),
        ("", None),
    ],
)
def test_charsets_are_known_by_the_names_that_programs_use(name: str, codec: str | None) -> None:
    assert known_charset(name) == codec


@pytest.mark.parametrize("name", ["\u0301\u0323", "=?utf-8?Q?", "=?utf-8?Q?a?= ", "a/", ". ", "語"])
def test_hundreds_of_long_names_are_read(name: str) -> None:
    part = b'--b\r\nContent-Disposition: attachment; filename="' + (name * 8_000).encode()[:8_000] + b'"\r\n\r\nx\r\n'
    read = read_soon(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 300 + b"--b--")
    assert len(read.attachments) == 300
    assert all(0 < len(each.named.encode()) <= 255 for each in read.attachments)


def test_encoded_words_before_one_that_never_ends_are_read() -> None:
    assert read_mail(b"Subject: =?utf-8?Q?a?= =?utf-8?Q?b?= =?utf-8?Q?c\r\n\r\n").subject == "ab =?utf-8?Q?c"


def test_results_of_one_long_word_are_none() -> None:
    read = read_soon(b"Authentication-Results: mx.example; dkim=pass " + b"a" * SIZE + b"\r\n\r\n")
    begun = time.perf_counter()
    assert verdict(read.authentication, "mx.example", "x.example") is Verdict.UNKNOWN
    assert time.perf_counter() - begun < 2.0


def test_so_much_is_read_of_all_pages_together_as_of_one() -> None:
    pages = (b"<p>first" + b" " * (LONGEST - 20), b"<p>second", b"<p>third")
    parts = b"".join(b"--b\r\nContent-Type: text/html\r\n\r\n" + page + b"\r\n" for page in pages)
    read = read_soon(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + parts + b"--b--")
    assert read.text == "first\n\nsecond"
    assert len(read.texts) == 3
    assert "third" in (read.html or "")
