"""What an import knows of another desk, in the terms of neither desk's files."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Protocol

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    EmailStr,
    Field,
    TypeAdapter,
    ValidationError,
)

from api.schemas.common import Instant, JsonObject, Line, Word
from api.schemas.tickets import Description, Subject, Tags
from domain.customers import ContactChannel, Tier
from domain.identity import Role
from domain.tickets.lifecycle import FINAL
from domain.tickets.model import Priority, Severity, Status

NOWHERE: Final = ".invalid"
"""The top-level domain (RFC 2606) of those who had no address on the other desk; no mail ever leaves for it."""

HALVES: Final = re.compile("[\ud800-\udfff]")
"""Surrogates, which only a broken file has by themselves."""

ADDRESS: Final[TypeAdapter[str]] = TypeAdapter(EmailStr)


def address(text: str) -> str:
    """A mail address, or a stand-in for one. Raises ValidationError."""
    return text if text.endswith(NOWHERE) else ADDRESS.validate_python(text)


def storable(text: Any) -> Any:
    """A text as Postgres can hold it: without NUL, and with replacement characters for halves of a pair."""
    if not isinstance(text, str):
        return text
    text = text.replace("\0", "")
    return text if text.isascii() else HALVES.sub("\ufffd", text)


def in_one_line(text: Any) -> Any:
    """A text with every run of white space as one space."""
    return " ".join(storable(text).split()) if isinstance(text, str) else text


Address = Annotated[str, Field(max_length=254), AfterValidator(address)]
Name = Annotated[Line, BeforeValidator(in_one_line)]
Written = Annotated[Description, BeforeValidator(storable)]


class Old(BaseModel):
    """Something of the other desk; `key` is its id there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(min_length=1, max_length=200)


class Account(Old):
    """An organization, with the mail domains of its people."""

    name: Name
    domains: tuple[str, ...] = ()


class Team(Old):
    """A group of agents."""

    name: Name


class Person(Old):
    """Somebody with an address: of the staff, or a customer of an account."""

    email: Address
    name: Name
    staff: bool = False
    active: bool = True
    account: str | None = None
    time_zone: str = "UTC"


class Said(Old):
    """A comment. `author` is the key of a person, if it is one that the other desk knows."""

    body: Written
    internal: bool = False
    author: str | None = None
    author_name: Name
    author_role: Role
    at: Instant


class OldTicket(Old):
    """A ticket; assignee, team and links are keys of people, teams and other tickets."""

    customer_email: Address
    subject: Annotated[Subject, BeforeValidator(in_one_line)]
    description: Written
    status: Status
    priority: Priority = Priority.MEDIUM
    severity: Severity = Severity.SEV3
    channel: ContactChannel = ContactChannel.API
    category: Annotated[Word, BeforeValidator(in_one_line)] | None = None
    tags: Tags = []
    fields: JsonObject = {}
    assignee: str | None = None
    team: str | None = None
    language: Word | None = None
    cc: tuple[Address, ...] = ()
    links: tuple[str, ...] = ()
    created_at: Instant
    updated_at: Instant | None = None
    first_response_at: Instant | None = None
    resolved_at: Instant | None = None
    closed_at: Instant | None = None
    comments: tuple[Said, ...] = ()

    @property
    def over(self) -> bool:
        """Whether nothing more happens to it."""
        return self.status in FINAL


@dataclass(frozen=True)
class Bad:
    """What cannot be taken over: what it is, where it stands, and each thing that is wrong with it as (field, what)."""

    kind: str
    key: str
    where: str
    errors: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class LeftOut:
    """A ticket that is none any more on the other desk."""

    key: str
    why: str


class Unreadable(Exception):
    """The files are not what they should be; nothing of them is taken."""


Tickets = Iterator[tuple[str, OldTicket | Bad | LeftOut]]
"""Where each ticket stands, and what it is."""


class Source(Protocol):
    """The files of another desk. What the others know, `bad` too, is complete once `tickets` was read to its end."""

    def tickets(self) -> Tickets:
        """Every ticket, as the files have them. Raises Unreadable."""
        ...

    def accounts(self) -> Sequence[Account]:
        """The organizations."""
        ...

    def teams(self) -> Sequence[Team]:
        """The groups."""
        ...

    def people(self) -> Sequence[Person]:
        """Everybody with an address."""
        ...

    def staff_fields(self) -> Mapping[str, str]:
        """The labels of fields that customers are not to see, by their keys."""
        ...

    def bad(self) -> Sequence[Bad]:
        """What is wrong beside the tickets."""
        ...


@dataclass(frozen=True)
class Options:
    """How an import reads: the prefix of its references, and the tier of accounts that it makes."""

    prefix: str
    tier: Tier = Tier.BASIC


@dataclass
class Findings:
    """What is wrong with one thing, noted one by one."""

    errors: list[tuple[str, str]] = field(default_factory=list)

    def note(self, name: str, detail: str) -> None:
        """One thing more."""
        self.errors.append((name, detail))

    def take(self, error: ValidationError, names: Mapping[str, str] | None = None, before: str = "") -> None:
        """All that a validation found, under the names of the file."""
        for each in error.errors(include_url=False, include_context=False, include_input=False):
            first, *rest = each["loc"] or ("",)
            named = (names or {}).get(str(first), str(first))
            self.note(before + ".".join(map(str, (named, *rest))), each["msg"])
