"""The language of wordings: names are filled in once, lines without a value are left out, and nothing can be run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.notifications.wording import Block, faults, fill, fill_line
from domain.notifications.wordings import KINDS, ON_ONE_LINE, SAMPLE, wording_of

KNOWN = {"number", "subject", "comment", "link"}

ATTACKS = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ number.__class__ }}",
    "{{ number|attr('x') }}",
    "{{7*7}}",
    "{% for x in y %}{% endfor %}",
    "{# hidden #}",
    "{{ {{ number }} }}",
    "{{ number",
    "{{ config }}",
    "{{ self.__init__.__globals__ }}",
    "${7*7} #{7*7} <%= 7 %> {{}}",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_looks_like_code_is_refused(attack: str) -> None:
    assert list(faults(attack, KNOWN))


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_looks_like_code_in_a_value_stays_as_it_is(attack: str) -> None:
    assert fill("Hello {{ subject }}!", {"subject": attack, "number": "SUP-1"}) == [Block("say", f"Hello {attack}!")]
    assert fill_line("{{ subject }}", {"subject": attack, "number": "SUP-1"}) == attack


def test_every_unknown_name_is_told_once_and_with_those_that_there_are() -> None:
    found = list(faults("{{ a }} {{ b }} {{ a }} {{ number }}", KNOWN))
    assert [fault.code for fault in found] == ["placeholder", "placeholder"]
    assert found[0].detail == "{{ a }} is not known here; known are comment, link, number, subject"
    assert "{{ b }}" in found[1].detail


def test_what_must_be_said_is_asked_for() -> None:
    assert [fault.detail for fault in faults("Hello", KNOWN, {"comment"})] == ["must say {{ comment }}"]


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\x00b", "a\x1bb", "a\u2028b"])
def test_a_subject_is_one_line(text: str) -> None:
    assert [fault.code for fault in faults(text, KNOWN, one_line=True)] == ["control_character"]


def test_a_line_that_names_something_unknown_is_left_out() -> None:
    text = "One.\nOpens {{ opensAt }}.\nTwo.\n\nOnly {{ opensAt }}.\n\nThree."
    assert fill(text, {}) == [Block("say", "One.\nTwo."), Block("say", "Three.")]
    assert fill(text, {"opensAt": "now"})[0] == Block("say", "One.\nOpens now.\nTwo.")


def test_a_label_before_an_address_becomes_a_link() -> None:
    text = "Look here: {{ link }}\nStatus: https://status.example/\nCall {{ link }} now"
    assert fill(text, {"link": "https://x.example/1"}) == [
        Block("open", "Look here", "https://x.example/1"),
        Block("open", "Status", "https://status.example/"),
        Block("say", "Call https://x.example/1 now"),
    ]
    assert fill(text, {}) == [Block("open", "Status", "https://status.example/")]


def test_no_value_can_make_a_link_or_a_paragraph_of_its_own() -> None:
    evil = "Your account: https://evil.example/"
    assert fill("{{ subject }}", {"subject": evil}) == [Block("say", evil)]
    assert fill("{{ subject }}", {"subject": "a\n\n{{ link }}", "link": "x"}) == [Block("say", "a\n\n{{ link }}")]


def test_a_question_has_its_answers_or_is_not_asked() -> None:
    text = "Done.\nHow did we do? {{ survey }}\nBye."
    choices = (("Good", "https://x.example/4"), ("Poor", "https://x.example/2"))
    question = Block("choose", "How did we do?", choices=choices)
    assert fill(text, {}, choices) == [Block("say", "Done."), question, Block("say", "Bye.")]
    assert fill(text, {}) == [Block("say", "Done.\nBye.")]
    assert fill(text, {"survey": "x"}) == [Block("say", "Done.\nBye.")]
    assert [fault.code for fault in faults("Say {{ survey }} now", {"survey"})] == ["placement"]
    assert [fault.code for fault in faults("{{ survey }}", {"survey"})] == ["placement"]
    assert list(faults(text, {"survey"})) == []


def test_what_somebody_wrote_keeps_its_form_where_it_has_its_own_line() -> None:
    words = "Hi,\n\n   indented\n\n\nbye"
    assert fill("{{ comment }}\nRegards", {"comment": words}) == [Block("words", words), Block("say", "Regards")]


@pytest.mark.parametrize("name", KINDS)
def test_our_own_wordings_are_good_and_say_all_that_they_know(name: str) -> None:
    kind = KINDS[name]
    assert list(faults(kind.default.text, kind.names, kind.needed)) == []
    assert SAMPLE.keys() | {"commentsCall", "survey"} >= set(kind.names)
    whole = " ".join(block.text + block.url for block in fill(kind.default.text, SAMPLE))
    assert "{{" not in whole
    bare = fill(kind.default.text, {each: SAMPLE[each] for each in ("number", "subject", "desk", *kind.needed)})
    assert bare
    assert not any(block.kind == "open" for block in bare)
    if kind.default.subject:
        assert list(faults(kind.default.subject, ON_ONE_LINE, one_line=True)) == []


def test_a_resolution_by_the_clock_has_a_wording_of_its_own() -> None:
    assert wording_of("ticket_resolved", {"automatic": True}) == "ticket_resolved_unanswered"
    assert wording_of("ticket_resolved", {}) == "ticket_resolved"
    assert wording_of("footer", {}) is wording_of("escalated", {}) is None


@given(text=st.text(alphabet="{}% \n:ahttps/numberlik", max_size=80), value=st.text(max_size=20))
def test_any_text_can_be_filled(text: str, value: str) -> None:
    fill(text, {"number": value, "link": value})
