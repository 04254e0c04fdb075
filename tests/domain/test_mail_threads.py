"""Conversations of mail: what is referred to, and what a subject is without what programs add."""

from uuid import uuid4

import pytest

from domain.mail.threads import references, root, topic


def test_d24_the_mail_that_is_answered_comes_last_and_the_ticket_first() -> None:
    assert references("root", ["a", "b", "c"], "c") == ("root", "a", "b", "c")
    assert references("root", ["a", "b", "c"], "a") == ("root", "b", "c", "a")
    assert references("root", ["a", "a", "root"], None) == ("root", "a")
    assert references("root", [], None) == ("root",)


def test_a_long_conversation_loses_its_middle() -> None:
    known = [str(number) for number in range(100)]
    made = references("root", known, "50")
    assert made == ("root", *known[:10], *known[-10:], "50")


def test_the_root_names_the_ticket() -> None:
    ticket = uuid4()
    assert root(ticket) == f"ticket.{ticket}"


@pytest.mark.parametrize(
    "subject",
    [
        "Printer",
        "Re: Printer",
        "[SUP-7] Printer",
        "Re: [SUP-7] Printer",
        "AW: Re: [SUP-7] RE[2]: Printer",
        " fwd:Printer ",
    ],
)
def test_the_topic_is_the_same_whatever_was_put_before(subject: str) -> None:
    assert topic(subject) == "Printer"


def test_a_topic_keeps_other_brackets_and_words_with_colons() -> None:
    assert topic("[urgent] Re: Printer") == "[urgent] Re: Printer"
    assert topic("Regarding: Printer") == "Regarding: Printer"
    assert topic("Re:") == ""
