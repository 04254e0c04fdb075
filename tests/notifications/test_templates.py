"""Every template can be filled with what decisions and records post, as text and as HTML."""

from datetime import UTC, datetime
from typing import Any

import pytest

from domain.notifications.headlines import HEADLINES
from domain.notifications.wordings import wording_of
from notify.channel import Undeliverable
from notify.templates import DIRECTORY, render

TICKET = {
    "number": 1042,
    "subject": "No <b>dashboard</b>",
    "status": "IN_PROGRESS",
    "severity": "SEV2",
    "priority": "HIGH",
}
COMMON = {
    "tenant": "Acme & Co",
    "link": "https://x.example/tickets/1",
    "inbox_link": "https://x.example/inbox",
    "comments_call": "https://api.example/api/tickets/1/comments",
    "times": 1,
    "answerable": True,
}
CLOCK = {"clock": "FIRST_RESPONSE", "cycle": 1, "deadline": f"{datetime(2026, 3, 1, 9, tzinfo=UTC):%Y-%m-%d %H:%M %Z}"}
COMMENT = {"author": "Alex", "comment": "one\ntwo"}
PASSWORD = {
    "name": "Ada",
    "password_link": "https://x.example/set-password#t",
    "password_call": "https://api.example/api/auth/password",
}

FACTS: dict[str, dict[str, Any]] = {
    "ticket_assigned": {},
    "customer_replied": COMMENT,
    "answer_undelivered": {
        **COMMENT,
        "address": "casey@shop.example",
        "reason": "The mail came back (5.1.1).",
        "own": True,
        "what": "answer",
    },
    "low_rating": {"score": 1, "customer": "Casey", "remark": "Nobody <i>cared</i>"},
    "sla_warning": {**CLOCK, "percent": 75},
    "sla_breached": {**CLOCK, "cause": "POLICY_CHANGE"},
    "sla_annulled": {"clock": "RESOLUTION", "cycle": 2},
    "escalated": {"rule": "75 % to the lead"},
    "page": {"rule": "PREMIUM SEV1"},
    "credit_proposed": {"clock": "RESOLUTION", "amount": "950.00", "currency": "USD", "overrunMinutes": 30},
    "ticket_absorbed": {"sourceNumber": 8},
    "ticket_watched": COMMENT,
    "mentioned": COMMENT,
    "invitation": PASSWORD,
    "password_reset": PASSWORD,
    "digest": {"count": 2, "lines": ["[SUP-1] a", "[SUP-2] b"]},
}
SAID = {
    "answer_undelivered": "Your answer on SUP-1042 did not reach casey@shop.example.",
    "low_rating": "rated 1 of 5 by Casey",
    "sla_breached": "First response of SUP-1042 is breached: the deadline was 2026-03-01 09:00 UTC.",
    "sla_warning": "First response of SUP-1042 has used 75 % of its time.",
    "credit_proposed": "a credit of 950.00 USD",
    "escalated": 'by the rule "75 % to the lead"',
    "invitation": "Choose a password: https://x.example/set-password#t",
    "digest": "- [SUP-1] a",
    "ticket_absorbed": "SUP-8 was closed as one with",
}


def test_each_headline_has_a_template_or_a_wording_and_each_template_facts() -> None:
    templates = {path.stem for path in DIRECTORY.glob("*.j2")}
    assert templates == FACTS.keys()
    assert templates | {name for name in HEADLINES if wording_of(name, {})} == HEADLINES.keys()
    assert not any(wording_of(name, {}) for name in templates)


@pytest.mark.parametrize("template", FACTS)
def test_a_template_is_filled_as_text_and_as_html(template: str) -> None:
    made = render(template, {**TICKET, **COMMON, **FACTS[template]})
    assert made.subject
    assert SAID.get(template, "") in made.text
    assert made.text.rstrip().endswith("-- \nAcme & Co")
    assert "<b>dashboard</b>" not in made.html
    assert "Acme &amp; Co" in made.html
    for left in ("{{", "{%", "None"):
        assert left not in made.text + made.html


@pytest.mark.parametrize("template", FACTS)
def test_without_a_portal_there_is_no_link_to_it(template: str) -> None:
    made = render(template, {**TICKET, **COMMON, **FACTS[template], "link": None, "inbox_link": None})
    known = ("https://api.example/", "https://x.example/set-password#t")
    for written in (made.text, made.html):
        assert "None" not in written
        assert written.count("https://") == sum(written.count(each) for each in known)


@pytest.mark.parametrize("template", ["invitation", "password_reset"])
def test_whoever_has_no_browser_is_told_of_the_call(template: str) -> None:
    made = render(template, {**COMMON, **PASSWORD})
    assert 'POST https://api.example/api/auth/password with {"token": "…", "password": "…"}' in made.text


@pytest.mark.parametrize("template", ["customer_replied", "ticket_assigned", "ticket_watched"])
def test_the_staff_are_told_where_an_answer_by_mail_goes(template: str) -> None:
    told, not_told = (
        render(template, {**TICKET, **COMMON, **FACTS[template], "answerable": answerable}).text
        for answerable in (True, False)
    )
    assert "goes to the customer; begin it with a line #internal" in told
    assert "#internal" not in not_told


def test_an_answer_to_a_note_is_said_to_be_a_note() -> None:
    facts = {**TICKET, **COMMON, **FACTS["mentioned"], "answerable": True}
    assert "stays among the staff; begin it with a line #public" in render("mentioned", facts).text


@pytest.mark.parametrize("template", ["escalated", "page", "sla_warning", "sla_breached"])
def test_a_repeat_says_which_one_it_is(template: str) -> None:
    first, third = (render(template, {**TICKET, **COMMON, **FACTS[template], "times": times}) for times in (1, 3))
    assert "reminder" not in first.subject + first.text
    assert ", reminder 2" in third.subject
    assert "This is reminder 2 of this rule." in third.text


def test_a_warning_by_minutes_names_no_percentage() -> None:
    made = render("sla_warning", {**TICKET, **COMMON, **CLOCK, "percent": None})
    assert made.subject == "[SUP-1042] First response is due soon: No <b>dashboard</b>"
    assert "First response of SUP-1042 is due soon." in made.text
    assert "%" not in made.subject + made.text


def test_a_page_about_something_else_than_a_ticket_gets_through() -> None:
    made = render("page", {**COMMON, "rule": "Disk full on db-1"})
    assert "You are paged: Disk full on db-1" in made.text


@pytest.mark.parametrize(("template", "facts"), [("nothing_like_it", {}), ("ticket_watched", COMMON), ("../kit", {})])
def test_what_cannot_be_filled_is_undeliverable(template: str, facts: dict[str, Any]) -> None:
    with pytest.raises(Undeliverable):
        render(template, facts)
