"""The first look at all files: what is there to take, what is refused and why, before anything is written."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

from pydantic.alias_generators import to_snake

from cli.imports.model import Bad, LeftOut, OldTicket, Options, Source
from cli.imports.orders import Orders
from cli.imports.records import Directory
from domain.process import Invalid
from domain.tickets.draft import Event
from domain.tickets.importing import refuse_disorder


class Refusals:
    """What is refused, one line of JSON each, in a file beside what was read; without any there is no file."""

    def __init__(self, beside: Path) -> None:
        self.path = beside.with_name(f"{beside.name}.refused.jsonl")
        self.count = 0
        self._file: TextIO | None = None
        self.path.unlink(missing_ok=True)

    def add(self, bad: Bad) -> None:
        """Write one down."""
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8")
        errors = [{"field": name, "detail": detail} for name, detail in bad.errors]
        line: dict[str, Any] = {"kind": bad.kind, "id": bad.key, "where": bad.where, "errors": errors}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()
        self.count += 1


@dataclass
class Survey:
    """What the files hold: the keys of the tickets to take, in no order, and how much else there is."""

    keys: set[str] = field(default_factory=set)
    refused: int = 0
    left_out: int = 0
    comments: int = 0
    places: dict[str, str] = field(default_factory=dict)


def survey(
    source: Source, refusals: Refusals, tenant_id: UUID, options: Options, seen: Callable[[], None] = lambda: None
) -> Survey:
    """Read everything once. The first of several tickets with one id is taken, the others are refused."""
    found = Survey()
    orders, event = Orders(tenant_id, options, Directory()), now()
    for where, each in source.tickets():
        seen()
        bad = each if isinstance(each, Bad) else None
        if isinstance(each, LeftOut):
            found.left_out += 1
        elif each.key in found.places:
            bad = Bad("ticket", each.key, where, [("id", f"is there already, at {found.places[each.key]}")])
        elif isinstance(each, OldTicket):
            bad = disorder(each, where, orders, event)
        if bad is not None:
            found.refused += 1
            refusals.add(bad)
        elif isinstance(each, OldTicket):
            found.keys.add(each.key)
            found.comments += len(each.comments)
        if each.key:
            found.places.setdefault(each.key, where)
    for bad in source.bad():
        refusals.add(bad)
    return found


def disorder(ticket: OldTicket, where: str, orders: Orders, event: Event) -> Bad | None:
    """What the decision would say of the ticket's instants."""
    if ticket.updated_at and ticket.updated_at < ticket.created_at:
        return Bad("ticket", ticket.key, where, [("updated_at", "lies before created_at")])
    try:
        refuse_disorder(orders.of(ticket).creation.command, event)
    except Invalid as refused:
        return Bad("ticket", ticket.key, where, told(refused.extra["errors"]))
    return None


def told(errors: list[dict[str, str]]) -> list[tuple[str, str]]:
    """The errors of a refusal as (field, what)."""
    return [(to_snake(error["pointer"].removeprefix("/")), error["detail"]) for error in errors]


def now() -> Event:
    """An event of this moment."""
    at = datetime.now(UTC)
    return Event(at=at, now=at)
