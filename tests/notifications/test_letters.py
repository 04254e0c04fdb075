"""Mails to customers as they read: what they know in whose zone, and no markup but ours."""

from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from activities.notifications.phrasing import told, zone_of
from domain.customers import Tier
from domain.notifications.wording import Block
from domain.notifications.wordings import DEFAULTS, KINDS, SAMPLE, SAMPLE_CHOICES
from notify.channel import Undeliverable
from notify.letters import phrased, subject_line
from notify.templates import letter, lines
from tests.notifications.mailroom import Mailroom
from tests.notifications.test_mail import text_of

CASEY = "casey@shop.example"
OPENS, DUE = "2026-03-02T08:00:00+00:00", "2026-03-02T12:30:00+00:00"


class Tags(HTMLParser):
    """The tags of a document, and where its links lead."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]
        assert not any(name.startswith("on") for name, _ in attrs)


def of(name: str, **values: str) -> Any:
    known = {**SAMPLE, **values}
    return phrased(name, DEFAULTS, {each: value for each, value in known.items() if value}, "S", (), SAMPLE_CHOICES)


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.default.subject])
def test_what_others_have_written_is_no_markup(name: str) -> None:
    evil = '</p><script>alert(1)</script><img src=x onerror="x"> <a href="https://evil.example">click</a>'
    made = of(name, subject=evil, comment=evil, author=evil, desk=evil)
    tags = Tags(made.html)
    assert not {"script", "img"} & set(tags.open)
    assert not [link for link in tags.links if "evil" in link and name != "ticket_reply"]
    assert evil in made.text


def test_the_words_of_an_agent_keep_their_lines_and_link_what_they_name() -> None:
    comment = "See https://docs.example/a?b=1&c=<2>, please.\n\n  - one\n  - javascript:alert(1)"
    made = of("ticket_reply", comment=comment)
    assert made.text.startswith(comment)
    assert Tags(made.html).links[0] == "https://docs.example/a?b=1&c="
    assert "please.<br>\n<br>\n  - one<br>" in made.html
    assert 'href="javascript' not in made.html


def test_links_end_where_people_see_them_end() -> None:
    shown = str(lines('(https://x.example/a), "https://x.example/b". https://x.example/c"d', linked=True))
    assert Tags(shown).links == ["https://x.example/a", "https://x.example/b", "https://x.example/c"]
    assert str(lines("https://x.example/<b>")) == "https://x.example/&lt;b&gt;"


def test_a_survey_is_a_row_of_links_in_both_forms() -> None:
    made = of("ticket_resolved")
    for label, url in SAMPLE_CHOICES:
        assert f"\n{label}: {url}\n" in made.text
        assert url in Tags(made.html).links
    assert "How did we do?" not in phrased("ticket_resolved", DEFAULTS, SAMPLE, "S").text


def test_a_mail_without_what_it_is_for_is_undeliverable() -> None:
    for missing in ("comment", "number", "subject"):
        with pytest.raises(Undeliverable, match=missing):
            of("ticket_reply", **{missing: ""})


def test_whoever_cannot_answer_by_mail_is_told_so() -> None:
    assert "are not read" not in of("ticket_closed").text
    without = of("ticket_closed", mailbox="").text
    assert "Answers to this mail are not read." in without
    assert "answer this mail" not in without


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        (None, "[SUP-1042] Unable to access dashboard"),
        ("Re: AW: Printer", "Re: [SUP-1042] Printer"),
        ("[SUP-1042]", "Re: [SUP-1042] Unable to access dashboard"),
        ("a\r\nBcc: x@y.example", "Re: [SUP-1042] a Bcc: x@y.example"),
        ("x" * 300, "Re: [SUP-1042] " + "x" * 184 + "…"),
    ],
)
def test_a_subject_is_one_line_with_the_number(theirs: str | None, expected: str) -> None:
    assert subject_line(DEFAULTS["ticket_closed"], SAMPLE, theirs) == expected


def test_a_long_paragraph_is_not_lost_in_text_or_html() -> None:
    made = letter("S", [Block("say", "x" * 5_000)], "F")
    assert made.text.count("x") == made.html.count("x" * 5_000) * 5_000


@pytest.mark.parametrize(
    ("account", "calendar", "expected"),
    [
        ("Asia/Tokyo", "Europe/Berlin", "Asia/Tokyo"),
        ("UTC", "Europe/Berlin", "Europe/Berlin"),
        (None, None, "UTC"),
        ("Nowhere/Land", 7, "UTC"),
    ],
)
def test_times_are_told_in_the_customers_zone_else_in_the_desks(account: Any, calendar: Any, expected: str) -> None:
    assert zone_of(account, calendar).key == expected


def test_a_time_says_its_day_and_its_zone() -> None:
    assert told(OPENS, ZoneInfo("America/New_York")) == "Monday 2 March 2026, 03:00 (America/New_York)"
    assert told(None, ZoneInfo("UTC")) is None


async def test_an_acknowledgement_tells_when_to_expect_an_answer_where_the_customer_is(room: Mailroom) -> None:
    ticket = await room.ticket(account=room.seed.accounts[Tier.PREMIUM])
    await room.mailbox("help@desk.example", default=True)
    closed = {"open": False, "opensAt": OPENS, "respondBy": DUE, "timeZone": "Europe/Berlin"}
    await room.post("ticket_received", CASEY, ticket=ticket, **closed)
    await room.post("ticket_received", "other@shop.example", ticket=await room.ticket(), **{**closed, "opensAt": None})
    await room.dispatcher.drain()
    [tokyo], [berlin] = room.mail.to(CASEY), room.mail.to("other@shop.example")
    assert "closed at the moment and opens again Monday 2 March 2026, 17:00 (Asia/Tokyo).\n" in text_of(tokyo)
    assert "You hear from us by Monday 2 March 2026, 21:30 (Asia/Tokyo) at the latest." in text_of(tokyo)
    assert "by Monday 2 March 2026, 13:30 (Europe/Berlin)" in text_of(berlin)
    assert "closed" not in text_of(berlin)
    assert "Just answer this mail; it reaches us at help@desk.example." in text_of(berlin)
