"""Tickets from CSV files of one documented form, for every desk that has no form of its own here."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TextIO

from pydantic import ValidationError

from cli.imports.model import Account, Bad, Findings, OldTicket, Person, Said, Team, Tickets, Unreadable
from cli.imports.shelf import Shelf
from domain.customers import ContactChannel
from domain.identity import Role
from domain.tickets.model import Priority, Severity, Status

REQUIRED: Final = ("id", "customer_email", "subject", "description", "status", "created_at")
OPTIONAL: Final = (
    *("priority", "severity", "category", "channel", "assignee_email", "team", "tags", "language", "cc"),
    *("updated_at", "first_response_at", "resolved_at", "closed_at"),
)
FIELD: Final = "field."
COMMENT: Final = ("ticket_id", "author_email", "author_name", "author_role", "body", "internal", "created_at")
COMMENT_REQUIRED: Final = ("ticket_id", "body", "created_at")

WORDS: Final[Mapping[str, type[StrEnum]]] = {
    "status": Status,
    "priority": Priority,
    "severity": Severity,
    "channel": ContactChannel,
}
TRUE, FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0", ""})

COLUMNS: Final = {"key": "id", "assignee": "assignee_email", "at": "created_at", "author": "author_email"}
"""What fields of ours are called in the files, where that differs."""

RESOLVED: Final = frozenset({Status.RESOLVED, Status.CLOSED})
OVER: Final = frozenset({Status.CLOSED, Status.CANCELLED})

LARGEST_CELL: Final = 1 << 24

Row = tuple[str, dict[str, str], list[tuple[str, str]]]
"""Where a row begins, its cells by column, and what is wrong with the row as such."""


class CsvDesk:
    """A file of tickets, and the comments beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path / "tickets.csv" if path.is_dir() else path
        self._comments = self._path.with_name("comments.csv")
        self._bad: list[Bad] = []
        self._people: dict[str, Person] = {}
        self._teams: dict[str, Team] = {}
        self._seen: set[str] = set()
        self._shelf = Shelf()
        if not self._path.is_file():
            raise Unreadable(f"{self._path}: there is no such file")
        if self._comments.is_file() and self._comments != self._path:
            found = rows(self._comments, COMMENT_REQUIRED, COMMENT)
            self._shelf.fill((cells.get("ticket_id", ""), where, [cells, wrong]) for where, cells, wrong in found)

    def accounts(self) -> Sequence[Account]:
        """None: customers belong to the accounts whose domains their addresses have."""
        return ()

    def teams(self) -> Sequence[Team]:
        """Those that tickets name."""
        return list(self._teams.values())

    def people(self) -> Sequence[Person]:
        """Assignees, and the staff among the authors of comments."""
        return list(self._people.values())

    def staff_fields(self) -> Mapping[str, str]:
        """None: what becomes a field is chosen by who writes the file."""
        return {}

    def bad(self) -> Sequence[Bad]:
        """Comments of tickets that are not there."""
        lost = [
            Bad("comment", ticket, where, [("ticket_id", f"there is no ticket {ticket!r} in {self._path.name}")])
            for ticket, where in self._shelf.strangers(self._seen)
        ]
        return [*self._bad, *lost]

    def tickets(self) -> Tickets:
        """The rows, in their order."""
        for where, cells, wrong in rows(self._path, REQUIRED, REQUIRED + OPTIONAL, FIELD):
            yield where, self._ticket(where, cells, Findings(list(wrong)))

    def _ticket(self, where: str, cells: Mapping[str, str], wrong: Findings) -> OldTicket | Bad:
        key = cells.get("id", "").strip()
        self._seen.add(key)
        if wrong.errors:
            return Bad("ticket", key, where, wrong.errors)
        given: dict[str, Any] = {
            name: value.strip() if name != "description" else value
            for name, value in cells.items()
            if value.strip() and not name.startswith(FIELD)
        }
        for name in REQUIRED:
            if name not in given:
                wrong.note(name, "is missing")
        for name, word in WORDS.items():
            if name in given:
                given[name] = found = given[name].upper().replace(" ", "_").replace("-", "_")
                if found not in list(word):
                    wrong.note(name, f"{cells[name].strip()!r} is none of {', '.join(word)}")
        for name, allowed in (("resolved_at", RESOLVED), ("closed_at", OVER)):
            if name in given and given.get("status") in list(Status) and given["status"] not in allowed:
                wrong.note(name, f"a ticket that is {given['status']} has none")
        given["key"] = given.pop("id", "?")
        given |= {name: listed(given[name]) for name in ("tags", "cc") if name in given}
        given["fields"] = {
            name.removeprefix(FIELD): value for name, value in cells.items() if name.startswith(FIELD) and value
        }
        given["comments"] = tuple(self._said(key, wrong))
        assignee, team = given.pop("assignee_email", None), given.get("team")
        if assignee:
            given["assignee"] = self._person(assignee, "", "assignee_email", wrong)
        if team:
            given["team"] = self._team(team, wrong)
        try:
            found = OldTicket.model_validate(given)
        except ValidationError as error:
            said = {name for name, _ in wrong.errors}
            later = Findings()
            later.take(error, COLUMNS)
            wrong.errors += [each for each in later.errors if each[0] not in said]
        return Bad("ticket", key, where, wrong.errors) if wrong.errors else found

    def _person(self, email: str, name: str, column: str, wrong: Findings) -> str | None:
        """The key of somebody of the staff: the address."""
        key = email.lower()
        known = self._people.get(key)
        if known is None or (name and known.name == key.partition("@")[0]):
            try:
                self._people[key] = Person(key=key, email=email, name=name or key.partition("@")[0], staff=True)
            except ValidationError as error:
                wrong.note(column, error.errors()[0]["msg"])
                return None
        return key

    def _team(self, name: str, wrong: Findings) -> str | None:
        key = name.lower()
        try:
            self._teams.setdefault(key, Team(key=key, name=name))
        except ValidationError as error:
            wrong.note("team", error.errors()[0]["msg"])
            return None
        return key

    def _said(self, ticket: str, wrong: Findings) -> Iterator[Said]:
        for number, (where, (cells, broken)) in enumerate(self._shelf.of(ticket)):
            place = f"{where} "
            for name, detail in broken:
                wrong.note(place + name, detail)
            email, name = cells.get("author_email", "").strip(), cells.get("author_name", "").strip()
            role = cells.get("author_role", "").strip().upper() or Role.CUSTOMER.value
            internal = cells.get("internal", "").strip().lower()
            if broken:
                continue
            if internal not in TRUE | FALSE:
                wrong.note(f"{place}internal", "must be true or false")
            if role not in list(Role):
                wrong.note(f"{place}author_role", f"{role!r} is none of {', '.join(Role)}")
                continue
            staff = email and role != Role.CUSTOMER
            try:
                yield Said(
                    key=f"n{number}",
                    body=cells.get("body", ""),
                    internal=internal in TRUE,
                    author=self._person(email, name, f"{place}author_email", wrong) if staff else email.lower() or None,
                    author_name=name or email.partition("@")[0] or role.title(),
                    author_role=Role(role),
                    at=cells.get("created_at", "").strip(),
                )
            except ValidationError as error:
                wrong.take(error, COLUMNS, place)


def listed(cell: str) -> list[str]:
    """The entries of a cell, with commas, semicolons or bars between."""
    entries = cell.replace(";", ",").replace("|", ",").split(",")
    return [entry.strip() for entry in entries if entry.strip()]


def rows(path: Path, required: Sequence[str], known: Sequence[str], free: str | None = None) -> Iterator[Row]:
    """Every row of a file (RFC 4180, UTF-8, commas or semicolons). Raises Unreadable when its header is not as documented."""
    csv.field_size_limit(LARGEST_CELL)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter(file), strict=True)
        try:
            header = [
                cell.strip().lower() if not cell.strip().startswith(FIELD) else cell.strip()
                for cell in next(reader, [])
            ]
        except csv.Error as error:
            raise Unreadable(f"{path}: the header cannot be read: {error}") from error
        check_header(path, header, required, known, free)
        while True:
            line = reader.line_num + 1
            where = f"{path.name}:{line}"
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield where, {}, [("", f"cannot be read as CSV: {error}")]
                continue
            if cells is None:
                return
            if not any(cell.strip() for cell in cells):
                continue
            named = dict(zip(header, cells, strict=False))
            wrong = [] if len(cells) == len(header) else [("", f"has {len(cells)} cells, the header {len(header)}")]
            wrong += [(name, "is not UTF-8") for name, cell in named.items() if escaped(cell)]
            yield where, named, wrong


def delimiter(file: TextIO) -> str:
    """What stands between the cells of the first line; the file is at its beginning afterwards."""
    first = file.readline()
    file.seek(0)
    names = next(csv.reader(io.StringIO(first), delimiter=";"), [])
    return ";" if len(names) > 1 and first.count(";") > first.count(",") else ","


def check_header(
    path: Path, header: Sequence[str], required: Sequence[str], known: Sequence[str], free: str | None
) -> None:
    """Refuse a file whose columns are not those of the documentation: what is not known would be lost in silence."""
    wrong = [f"the column {name} is missing" for name in required if name not in header]
    strange = [name for name in header if name not in known and not (free and name.startswith(free) and name != free)]
    wrong += [f"{name!r} is not a column that is known" for name in strange]
    wrong += [
        f"the column {name} is there twice" for name in sorted({name for name in header if header.count(name) > 1})
    ]
    if wrong:
        raise Unreadable(
            f"{path}: {'; '.join(wrong)}. Known are {', '.join(known)}" + (f", {free}<name>" if free else "")
        )


def escaped(cell: str) -> bool:
    """Whether a cell held bytes that are no UTF-8."""
    return not cell.isascii() and any("\udc80" <= character <= "\udcff" for character in cell)
