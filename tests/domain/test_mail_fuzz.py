"""Mails as they are and as nobody meant them, changed at random: whatever comes, something is read, and Postgres can hold it."""

import random
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from domain.mail.arrival import arrival
from domain.mail.authentication import verdict
from domain.mail.message import read_mail
from domain.mail.mime import Part

NINES: Final = b"9" * 5_000
"""More digits than Python reads."""

PLAIN: Final = (
    'From: =?iso-8859-1?Q?J=F6rg?= <jörg@xn--bcher-kva.example>\r\nTo: Team: a@x.example, "B, C" <b@x.example>;\r\n'
    "Reply-To: <@relay.example:c@x.example>\r\nSubject: =?utf-8?B?R3LDvMOfZQ==?= [SUP-12]\r\nDate: Tue, 3 Mar 2026 10:11:12 +0100\r\n"
    "Message-ID: <1@x.example>\r\nReferences: <2@x.example> <3@x.example>\r\nIn-Reply-To: <3@x.example>\r\n"
    "Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes\r\nContent-Language: de-CH\r\n"
    "Authentication-Results: mx.example 1; dkim=pass (ok) header.d=x.example; dmarc=fail header.from=x.example\r\n\r\n"
    "Grüße \r\nund mehr\r\n\r\nAm 1.1.2026 um 10:11 schrieb a@x.example:\r\n> quoted\r\n-- \r\nJ\r\n"
).encode()
BOUNCE: Final = (
    b"Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example\r\nAuto-Submitted: auto-replied (vacation)\r\n"
    b"Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=b\r\n\r\n--b\r\n\r\nIt failed.\r\n--b\r\n"
    b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx\r\n\r\nFinal-Recipient: rfc822; a@x.example\r\n"
    b"Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
    b"Message-ID: <4@x.example>\r\n\r\n--b--\r\n"
)
PAGE: Final = (
    b'From: a@x.example\r\nContent-Type: multipart/alternative; boundary="b c"\r\n\r\n--b c\r\n'
    b"Content-Type: text/plain; charset=utf-7\r\n\r\n+2AA-Hi\r\n--b c\r\n"
    b"Content-Type: text/html; charset=windows-1252\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"<p class=3D'gmail_quote'>One &amp; &#65; &#x41; <a href=3Dhttps://x.example/?a&#61;b>two</a><!-- no --><br>\xe4"
    b"<img alt=3D'&#33;'></p>\r\n--b c--\r\n"
)
FILES: Final = (
    b"From: a@x.example\r\nX-Summit: acme\r\nPrecedence: bulk\r\nSubject: Fwd: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain; charset=iso-2022-jp\r\nContent-Transfer-Encoding: base64\r\n\r\nGyRCJDMbKEI=\r\n"
    b"---- Forwarded message ----\r\nFrom: B <b@x.example>\r\nDate: today\r\nTo: c@x.example\r\n\r\n"
    b"--b\r\nContent-Disposition: attachment; filename*0*=utf-8''%e2%82; filename*1*=%ac.txt; size=3\r\nContent-Id: <1>\r\n"
    b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a.txt\r\n#0V%T\r\n`\r\nend\r\n--b\r\n"
    b'Content-Type: image/png; name="a\\"b.png"\r\n\r\n'
    b"\x89PNG\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: d@x.example\r\n\r\ninner\r\n--b--\r\n"
)
NASTY: Final = (
    b"Date: Tue, 3 Mar 2026 10:11:12 +" + b"9" * 150 + b"\r\nFrom: a@x.example\r\n\r\n",
    b"Date: " + NINES + b"\r\nMessage-ID: <\0>\r\nAuto-Submitted: auto\0x\r\nFrom: \0@\0.example\r\n\r\n\0",
    b"Content-Type: text/html\r\n\r\n&#%b; &#x%b; <img alt='&#%b;'> &#0; &#xd800;" % (NINES, NINES, NINES[:1900]),
    b"Content-Type: text/plain; charset*" + NINES + b"*=utf-8''%" + NINES + b"; charset=utf-" + NINES + b"\r\n\r\n\xff",
    b"Subject: =?utf-%b?Q?=FF=?= =?utf-16?B?2AA=?= [SUP-%b]\r\n" % (NINES, NINES)
    + b"Message-ID: <%b>\r\n\r\n" % ("語".encode() * 998),
    b"From: a@xn--" + b"9" * 200 + b".example\r\nTo: a@xn--a-.example, b@xn--\xff.example, c@xn--0000h.example\r\n\r\n",
)
CORPUS: Final = (PLAIN, BOUNCE, PAGE, FILES, *NASTY)

PIECES: Final = (
    *b'\0 " < > ( ) ; : , = ?= =?utf-7?Q? *0*= % &# &#x <!-- --> <blockquote> </a> --b-- \xff\xfe \xc3 \x1b$B ~{'.split(),
    *b"+2AA- @ xn-- \\ -0000 99999999999 charset=".split(),
    b" ",
    b"\t",
    b"\r",
    b"\n",
    b"\r\n\r\n",
    b"--b\r\n",
    b"Content-Type: ",
    b"multipart/mixed; boundary=b",
    b"Date: ",
    b"> ",
    b"wrote:\r\n",
)


def changed(raw: bytes, chance: random.Random) -> bytes:
    """A mail with a few pieces put in, taken out, doubled, or replaced by those of another."""
    mail = bytearray(raw)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(mail) + 1)
        end = min(len(mail), place + chance.choice((0, 1, 1, 5, 40)))
        other = chance.choice(CORPUS)
        start = chance.randrange(len(other))
        strange = (*chance.choices(PIECES, k=2), bytes([chance.randrange(256)]), other[start : start + 60])
        mail[place:end] = chance.choice((b"", mail[place:end] * 3, *strange))
    return bytes(mail)


def texts(value: Any) -> Iterator[str]:
    """Every text in a value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in (*value.keys(), *value.values()):
            yield from texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts(each)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from texts(asdict(value))


def check(raw: bytes) -> None:
    """Read all that is read of a mail."""
    read = read_mail(raw)
    came = arrival(raw, datetime(2026, 3, 3, tzinfo=UTC))
    verdict(read.authentication, "mx.example", "x.example")
    for part in (*read.attachments, *read.texts):
        assert isinstance(part, Part)
        assert part.content(raw) is not None
    for text in (*texts(read), *texts(came), *(each.content_id or "" for each in read.attachments)):
        assert "\0" not in text
        text.encode()
    for message_id in (read.message_id, *read.answers, came.message_id):
        assert message_id is None or 0 < len(message_id.encode()) <= 900


@pytest.mark.parametrize("raw", CORPUS)
def test_each_mail_is_read_as_it_is(raw: bytes) -> None:
    check(raw)


def test_three_hundred_mails_changed_at_random_are_read() -> None:
    chance = random.Random(20260303)
    for number in range(300):
        raw = changed(CORPUS[number % len(CORPUS)], chance)
        try:
            check(raw)
        except Exception as error:
            raise AssertionError(raw) from error
