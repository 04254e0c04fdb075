"""Custom fields: what a tenant's definitions allow, what customers see of them, and how a value is found again."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import validate_email

from domain.process import Frozen

LONGEST_LINE: Final = 1_000
LONGEST_TEXT: Final = 10_000
LONGEST_URL: Final = 2_000
LARGEST_INTEGER: Final = 2**53 - 1
"""What every reader of JSON holds exactly."""

KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class FieldType(StrEnum):
    """What a field holds."""

    TEXT = "TEXT"
    MULTILINE = "MULTILINE"
    NUMBER = "NUMBER"
    INTEGER = "INTEGER"
    BOOLEAN = "BOOLEAN"
    DATE = "DATE"
    SELECT = "SELECT"
    MULTISELECT = "MULTISELECT"
    URL = "URL"
    EMAIL = "EMAIL"


CHOICES: Final = frozenset({FieldType.SELECT, FieldType.MULTISELECT})
"""The types that have options."""


class Definition(Frozen):
    """A field that a tenant has defined. One that is not `live` rules nothing any more, but still hides what it hid."""

    key: str
    type: FieldType
    options: tuple[str, ...] = ()
    required: bool = False
    customer_visible: bool = False
    customer_editable: bool = False
    live: bool = True


@dataclass(frozen=True)
class Definitions:
    """All fields that a tenant has ever defined, the latest of each key. Without a live one its fields are free."""

    known: Sequence[Definition] = ()

    @cached_property
    def live(self) -> Mapping[str, Definition]:
        """The definitions in force by key, in their order."""
        return {each.key: each for each in self.known if each.live}

    @cached_property
    def hidden(self) -> frozenset[str]:
        """The keys that customers do not see although fields are free, because they once were the staff's own."""
        return frozenset(each.key for each in self.known if not each.customer_visible)

    def visible(self, key: str) -> bool:
        """Whether customers see a field."""
        return self.live[key].customer_visible if key in self.live else not self.live and key not in self.hidden

    def shown(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """What customers see of a ticket's fields."""
        return {key: value for key, value in fields.items() if self.visible(key)}

    def kept(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """What a ticket keeps of fields that were written: of defined ones null means no value."""
        return {key: value for key, value in fields.items() if not self.live or value is not None}


FREE: Final = Definitions()

Fault = dict[str, str]

NONE: Final[Mapping[str, Any]] = {}


def check(
    definitions: Definitions,
    fields: Mapping[str, Any],
    *,
    by_staff: bool,
    whole: bool = True,
    within: str = "/fields",
    before: Mapping[str, Any] = NONE,
) -> list[Fault]:
    """What is wrong with fields that somebody writes, each with its pointer below `within`.

    Fields are written `whole` unless they are laid over a ticket's own: only then can a required one be missing. Customers are
    asked for what they may fill in, and are not told of fields that they cannot see. What the ticket has `before` under a key that
    is not defined (any more) the staff may leave as it is.
    """
    if not definitions.live:
        return []
    return [
        {"pointer": f"{within}/{escaped(key)}", "code": code, "detail": detail}
        for key, code, detail in _faults(definitions.live, fields, by_staff, whole, before)
    ]


def _faults(
    live: Mapping[str, Definition], fields: Mapping[str, Any], by_staff: bool, whole: bool, before: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    for key, value in fields.items():
        definition = live.get(key)
        if definition is None and by_staff and key in before and before[key] == value:
            continue
        if definition is None or not (by_staff or definition.customer_visible):
            yield key, "unknown_field", "is not a field of this tenant"
        elif not (by_staff or definition.customer_editable):
            yield key, "not_editable", "is filled in by the staff"
        elif not empty(value) and (detail := judged(definition, value)):
            yield key, "field", detail
    for key, definition in live.items():
        asked = definition.required and (by_staff or definition.customer_editable)
        if asked and empty(fields.get(key)) and (whole or key in fields):
            yield key, "missing", "is required"


def empty(value: Any) -> bool:
    """Whether there is no value: null, a blank text, no choice."""
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def judged(definition: Definition, value: Any) -> str:
    """What is wrong with a value; nothing when it is right."""
    return JUDGES[definition.type](definition, value)


def _line(definition: Definition, value: Any) -> str:
    right = isinstance(value, str) and len(value) <= LONGEST_LINE and not CONTROL.search(value)
    return "" if right else f"must be a line of at most {LONGEST_LINE} characters"


def _text(definition: Definition, value: Any) -> str:
    right = isinstance(value, str) and len(value) <= LONGEST_TEXT
    return "" if right else f"must be a text of at most {LONGEST_TEXT} characters"


def _number(definition: Definition, value: Any) -> str:
    # NaN is not below anything; math.isfinite cannot take an integer that no float holds.
    right = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_INTEGER
    return "" if right else "must be a number"


def _integer(definition: Definition, value: Any) -> str:
    right = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST_INTEGER
    return "" if right else "must be a whole number"


def _boolean(definition: Definition, value: Any) -> str:
    return "" if isinstance(value, bool) else "must be true or false"


def _date(definition: Definition, value: Any) -> str:
    try:
        right = isinstance(value, str) and bool(DAY.fullmatch(value)) and bool(date.fromisoformat(value))
    except ValueError:
        right = False
    return "" if right else "must be a date such as 2026-12-31"


def _choice(definition: Definition, value: Any) -> str:
    right = isinstance(value, str) and value in definition.options
    return "" if right else f"must be one of {', '.join(definition.options)}"


def _choices(definition: Definition, value: Any) -> str:
    right = isinstance(value, list) and all(isinstance(each, str) and each in definition.options for each in value)
    if right and len(set(value)) == len(value):
        return ""
    return f"must be a list of some of {', '.join(definition.options)}, each once"


def _url(definition: Definition, value: Any) -> str:
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        right = (
            parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname) and not SPACE.search(value)
        )
    except ValueError:
        right = False
    return "" if right and len(value) <= LONGEST_URL else "must be an address that begins with http:// or https://"


def _email(definition: Definition, value: Any) -> str:
    try:
        right = isinstance(value, str) and "<" not in value and bool(validate_email(value))
    except ValueError:
        right = False
    return "" if right else "must be a mail address"


SPACE: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")

JUDGES: Final[Mapping[FieldType, Callable[[Definition, Any], str]]] = {
    FieldType.TEXT: _line,
    FieldType.MULTILINE: _text,
    FieldType.NUMBER: _number,
    FieldType.INTEGER: _integer,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.SELECT: _choice,
    FieldType.MULTISELECT: _choices,
    FieldType.URL: _url,
    FieldType.EMAIL: _email,
}


def looked_up(definitions: Definitions, key: str, text: str, *, by_staff: bool) -> str | None:
    """The text under which the index has a value that somebody filters by; None where the field is nothing to filter by."""
    known = key in definitions.live or not definitions.live
    if not known or not (by_staff or definitions.visible(key)):
        return None
    definition = definitions.live.get(key)
    if definition is not None and definition.type in (FieldType.NUMBER, FieldType.INTEGER):
        return plain(text)
    return text.lower() if definition is not None and definition.type is FieldType.BOOLEAN else text


def plain(text: str) -> str:
    """A number without what its value does not need, as Postgres' `trim_scale` writes it; other text as it is."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    if not number.is_finite() or abs(number.adjusted()) > 400:
        return text
    shown = format(number, "f")
    shown = shown.rstrip("0").rstrip(".") if "." in shown else shown
    return "0" if shown in ("-0", "") else shown


def escaped(key: str) -> str:
    """A key as a step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")
