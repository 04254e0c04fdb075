"""Texts with variables: substituted literally, and never run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.tickets.templates import VARIABLES, faults, one_line, render, values_of


async def test_each_variable_is_put_in_its_place() -> None:
    values = {name: f"<{name}>" for name in VARIABLES}
    text = " ".join(f"{{{{ {name} }}}}" for name in VARIABLES)
    assert render(text, values) == " ".join(values.values())
    assert faults(text) == []


async def test_spaces_do_not_matter_and_what_is_unknown_becomes_nothing() -> None:
    assert render("a{{ticket.number}}b{{  ticket.number\n}}c", {"ticket.number": "7"}) == "a7b7c"
    assert render("Dear {{ customer.name }}!", {}) == "Dear !"


async def test_a_value_is_never_read_as_a_text() -> None:
    values = {"customer.name": "{{ agent.name }}", "agent.name": "Alex"}
    assert render("{{ customer.name }} and {{ agent.name }}", values) == "{{ agent.name }} and Alex"


async def test_custom_fields_are_variables() -> None:
    fields = {"region": "EU", "seats": 3, "vip": True, "off": False, "areas": ["web", "api"], "none": None}
    values = values_of({"ticket.number": "SUP-1", "account.name": None}, fields)
    text = "".join(f"{{{{ ticket.fields.{key} }}}}|" for key in (*fields, "other"))
    assert render(text, values) == "EU|3|yes|no|web, api|||"
    assert render("{{ ticket.number }}{{ account.name }}", values) == "SUP-1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ agent.password }}", "agent.password"),
        ("{{ ticket }}", "{{ ticket }} is not known"),
        ("{{ ticket.fields. }}", "is not known"),
        ("{{ 1 + 1 }}", "1 + 1"),
        ("{{ ''.__class__ }}", "__class__"),
        ("{{ ticket.number|upper }}", "|upper"),
        ("{{}}", "is not known"),
        ("a {{ ticket.number", "{{ at character 3 is not closed"),
        ("{{ ticket.number {{ agent.name }}", "{{ at character 1 is not closed"),
        ("a }} b", "}} at character 3 closes nothing"),
        ("{{{ ticket.number }}}", "is not known"),
    ],
)
async def test_what_cannot_be_put_in_is_named(text: str, said: str) -> None:
    [fault] = faults(text)
    assert said in fault


async def test_every_fault_is_named() -> None:
    assert len(faults("{{ a }} {{ b }} }} {{ ticket.number }} {{")) == 4


@pytest.mark.parametrize("text", ["{ a }", "%(x)s {0} $y {% if %}", "} {", ""])
async def test_other_braces_are_text(text: str) -> None:
    assert (faults(text), render(text, {})) == ([], text)


@given(st.text(alphabet="{} ab.ticketnumber", max_size=60))
def test_a_text_without_faults_comes_out_with_all_that_is_literal(text: str) -> None:
    if not faults(text):
        assert "{{" not in render(text, {})
        assert render(render(text, {}), {}) == render(text, {})


async def test_a_subject_is_one_line() -> None:
    assert one_line("  two\r\nlines\tand more ", 300) == "two lines and more"
    assert one_line("x" * 400, 300) == "x" * 300
