"""Headers as people mean them: names, addresses, ids and subjects of every program there is."""

from datetime import UTC, datetime

import pytest

from domain.mail.arrival import arrival
from domain.mail.authentication import Verdict, verdict
from domain.mail.message import read_mail
from domain.mail.people import people


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"=?UTF-8?B?R3LDvMOfZQ==?=", "Grüße"),
        (b"=?iso-8859-1?q?Gr=FC=DFe?= =?iso-8859-1?q?_aus?= Wien", "Grüße aus Wien"),
        (b"=?utf-8?Q?=C3?= =?utf-8?Q?=BC?=", "ü"),
        (b"=?utf-8?Q?with spaces that should not be?=", "with spaces that should not be"),
        (b"=?utf-8?Q?What??=", "What?"),
        (b"=?nonsense?Q?abc?=", "=?nonsense?Q?abc?="),
        (b"=?utf-8?B?broken", "=?utf-8?B?broken"),
        (b"=?utf-8?B?R3L?=", "Gr"),
        (b"=?utf-8?Q?a=0D=0ABcc:_all=40x.example?=", "a Bcc: all@x.example"),
        ("Grüße".encode(), "Grüße"),
        ("Grüße".encode("latin-1"), "Grüße"),
        (b"a\0b\x1b[31m", "a b [31m"),
        (b"folded\r\n  on", "folded on"),
        (b"\xff\xfe\xfd", "ÿþý"),
    ],
)
def test_a_subject_is_one_readable_line(raw: bytes, shown: str) -> None:
    assert read_mail(b"Subject: " + raw + b"\r\n\r\n").subject == shown


def test_a_raw_subject_is_read_in_the_charset_of_the_text() -> None:
    raw = "Subject: Привет\r\nContent-Type: text/plain; charset=koi8-r\r\n\r\nда".encode("koi8-r")
    assert read_mail(raw).subject == "Привет"


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ("a@b.example", [("", "a@b.example")]),
        ("Casey <Casey@Shop.Example>", [("Casey", "casey@shop.example")]),
        ('"Customer, Casey" <c@x.example>, d@x.example', [("Customer, Casey", "c@x.example"), ("", "d@x.example")]),
        ("c@x.example (Casey (the) Customer)", [("Casey the Customer", "c@x.example")]),
        (
            "Team: a@x.example, B <b@x.example>; c@x.example",
            [("", "a@x.example"), ("B", "b@x.example"), ("", "c@x.example")],
        ),
        ("undisclosed-recipients:;", []),
        ('"odd local"@x.example', [("", '"odd local"@x.example')]),
        ('"plain"@x.example', [("", "plain@x.example")]),
        ("Jörg <j@xn--bcher-kva.example>", [("Jörg", "j@bücher.example")]),
        ("=?utf-8?Q?J=C3=B6rg?= <j@x.example>", [("Jörg", "j@x.example")]),
        ('"evil@bank.example" <real@x.example>', [("evil@bank.example", "real@x.example")]),
        ("<@relay.example:a@x.example>", [("", "a@x.example")]),
        ("a@b@c.example", []),
        ("nobody, , <>, @x.example, a@", []),
        ("a@x.example; b@x.example", [("", "a@x.example"), ("", "b@x.example")]),
        ("a@x.example, A@X.EXAMPLE", [("", "a@x.example")]),
        ("Casey <c@[192.0.2.1]>", [("Casey", "c@[192.0.2.1]")]),
        ('"unclosed <a@x.example>', []),
    ],
)
def test_addresses_are_found_in_whatever_form(raw: str, found: list[tuple[str, str]]) -> None:
    assert [(each.name, each.address) for each in people([raw.encode()])] == found


def test_several_senders_are_all_seen_and_the_first_one_counts() -> None:
    read = read_mail(b"From: a@x.example, b@x.example\r\n\r\n")
    assert [each.address for each in read.senders] == ["a@x.example", "b@x.example"]
    assert read.sender == read.senders[0]


def test_the_newest_reference_comes_first() -> None:
    raw = b"References: <1@x>\r\n <2@x> <3@x>\r\nIn-Reply-To: <2@x>\r\nMessage-ID:\r\n <4@x>\r\n\r\n"
    read = read_mail(raw)
    assert (read.answers, read.message_id) == (("2@x", "3@x", "1@x"), "4@x")


def test_an_id_that_no_index_holds_is_cut_and_remains_one_id() -> None:
    long, other = "語" * 990 + "@x", "語" * 989 + "@xx"
    first = read_mail(f"Message-ID: <{long}>\r\n\r\n".encode())
    answer = read_mail(f"References: <{other}> <{long}>\r\nIn-Reply-To: {long}\r\n\r\n".encode())
    assert first.message_id is not None
    assert first.message_id.startswith("語語")
    assert len(first.message_id.encode()) <= 900
    assert answer.in_reply_to == (first.message_id,)
    assert answer.references[1] == first.message_id != answer.references[0]
    assert arrival(f"Message-ID: <{long}>\r\n\r\n".encode(), datetime.now(UTC)).message_id == first.message_id
    assert read_mail(f"Message-ID: <{'a' * 890}@x>\r\n\r\n".encode()).message_id == f"{'a' * 890}@x"


def test_an_id_of_nothing_is_none() -> None:
    assert read_mail(b"Message-ID: <\0>\r\n\r\n").message_id is None


def test_words_hold_nothing_that_postgres_refuses() -> None:
    read = read_mail(
        b"From: mailer-daemon@mx.example\r\nAuto-Submitted: auto-\0generated\r\nX-Summit: ac\0me\r\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n"
        b"Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; a@x.example\r\nAction: fai\0led\r\n--b--"
    )
    assert read.bounce is not None
    found = (read.machine, read.origin, *(each.action for each in read.bounce.deliveries))
    assert found == ("Auto-Submitted: auto-", "ac", "fai")


def authenticated(*results: bytes, domain: str = "corp.example") -> Verdict:
    return verdict(results, "mx.summit.example", domain)


def test_only_our_own_server_tells_who_a_sender_is() -> None:
    assert authenticated(b"mx.summit.example; dmarc=pass header.from=corp.example") is Verdict.PASSED
    assert authenticated(b"mx.summit.example 1; dkim=pass header.d=corp.example") is Verdict.PASSED
    assert authenticated(b"mx.summit.example; spf=pass smtp.mailfrom=bounce.corp.example") is Verdict.PASSED
    assert authenticated(b"mx.summit.example; dmarc=fail; spf=pass smtp.mailfrom=corp.example") is Verdict.FAILED
    assert authenticated(b"mx.summit.example; spf=fail smtp.mailfrom=corp.example") is Verdict.FAILED
    assert authenticated(b"mx.summit.example; dkim=fail header.d=corp.example; spf=none") is Verdict.FAILED
    forwarded = b"mx.summit.example; spf=fail smtp.mailfrom=corp.example; dkim=pass header.d=corp.example; dkim=fail"
    assert authenticated(forwarded) is Verdict.PASSED
    assert authenticated(b"mx.summit.example; spf=softfail smtp.mailfrom=corp.example") is Verdict.UNKNOWN
    assert authenticated(b"elsewhere.example; dmarc=pass header.from=corp.example") is Verdict.UNKNOWN
    assert authenticated(b"mx.summit.example; dkim=pass header.d=evil.example") is Verdict.UNKNOWN
    assert authenticated(b"mx.summit.example; dkim=pass header.d=example") is Verdict.UNKNOWN
    assert authenticated() is Verdict.UNKNOWN
    assert verdict([b"mx.summit.example; dmarc=pass"], None, "corp.example") is Verdict.UNKNOWN


def test_what_a_sender_can_write_into_the_results_is_not_one() -> None:
    for trick in (
        b'mx.summit.example; spf=pass smtp.mailfrom="x; dmarc=pass header.from=corp.example"@evil.example',
        b"mx.summit.example; spf=none (says x; dmarc=pass header.from=corp.example)",
        b'mx.summit.example; spf=none smtp.helo="\\"; dmarc=pass"',
    ):
        assert authenticated(trick) is Verdict.UNKNOWN
    below = (b"mx.summit.example; spf=none", b"mx.summit.example; dmarc=pass header.from=corp.example")
    assert authenticated(*below) is Verdict.UNKNOWN
