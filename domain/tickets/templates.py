"""Texts with variables: what may stand in double braces, and what a text says once its values are known."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

VARIABLES: Final[Mapping[str, str]] = {
    "ticket.number": "its number, such as SUP-1042",
    "ticket.subject": "its subject",
    "ticket.status": "its status",
    "ticket.priority": "its priority",
    "ticket.severity": "its severity",
    "ticket.category": "its category",
    "ticket.slaTier": "its tier",
    "customer.name": "the customer's name, where the address is known",
    "customer.email": "the customer's address",
    "account.name": "the customer's account",
    "assignee.name": "who has the ticket",
    "team.name": "the team that has it",
    "agent.name": "whoever uses the template",
    "tenant.name": "the desk",
}
"""What a text can name. Beside these, `ticket.fields.<key>` is a custom field."""

FIELD: Final = re.compile(r"ticket\.fields\.[^\s{}]{1,100}")
BRACES: Final = re.compile(r"\{\{|\}\}")
KNOWN: Final = ", ".join((*VARIABLES, "ticket.fields.<key>"))


class Piece(NamedTuple):
    """A part of a text: literal, or the name of a variable, or a `fault`."""

    literal: str = ""
    variable: str = ""
    fault: str = ""


def pieces(text: str) -> Iterator[Piece]:
    """The parts of a text in their order. Braces that do not come in pairs around a variable are faults."""
    end = 0
    while found := BRACES.search(text, end):
        yield Piece(literal=text[end : found.start()])
        place, end = found.start() + 1, found.end()
        if found[0] == "}}":
            yield Piece(fault=f"the }}}} at character {place} closes nothing")
            continue
        closing = BRACES.search(text, end)
        if closing is None or closing[0] == "{{":
            yield Piece(fault=f"the {{{{ at character {place} is not closed")
            continue
        name, end = text[end : closing.start()].strip(), closing.end()
        known = name in VARIABLES or FIELD.fullmatch(name)
        yield Piece(variable=name) if known else Piece(fault=f"{{{{ {name[:100]} }}}} is not known; there are {KNOWN}")
    yield Piece(literal=text[end:])


def faults(text: str) -> list[str]:
    """What is wrong with a text; nothing when it can be used."""
    return [piece.fault for piece in pieces(text) if piece.fault]


def render(text: str, values: Mapping[str, str]) -> str:
    """The text with each variable's value in its place; one without a value becomes nothing, and no value is read as a text."""
    return "".join(piece.literal or values.get(piece.variable, "") for piece in pieces(text))


def values_of(facts: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, str]:
    """Values by the names of their variables, those of custom fields among them, as people read them."""
    held = {f"ticket.fields.{key}": value for key, value in fields.items()}
    return {name: worded(value) for name, value in {**facts, **held}.items()}


def worded(value: Any) -> str:
    """A value as people read it."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(worded, value))
        case dict():
            return ", ".join(f"{name}: {worded(each)}" for name, each in value.items())
        case _:
            return str(value)


def one_line(text: str, longest: int) -> str:
    """A text as a line of at most so many characters."""
    return " ".join(text.split())[:longest].strip()
