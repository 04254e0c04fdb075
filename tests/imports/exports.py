"""Exports of other desks, made up for tests: as many tickets as asked for, each with an odd detail or two."""

import csv
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

START = datetime(2024, 1, 8, 9, 0, tzinfo=UTC)

CUSTOMERS = 40
AGENT, ADMIN = 900, 901

STATUS = ("closed", "open", "closed", "solved", "closed", "pending", "closed", "new", "closed", "hold")
"""Half of all are closed."""


def at(**after: float) -> str:
    """An instant as Zendesk writes it."""
    return (START + timedelta(**after)).strftime("%Y-%m-%dT%H:%M:%SZ")


def users(slug: str) -> Iterator[dict[str, Any]]:
    """Customers of two organizations, an agent and an administrator."""
    for n in range(1, CUSTOMERS + 1):
        email = f"c{n}@{'pine' if n % 2 else 'oak'}-{slug}.example"
        yield {"id": n, "name": f"Customer {n}", "email": email, "role": "end-user", "organization_id": 1 + n % 2}
    yield {"id": AGENT, "name": "Alma Agent", "email": f"alma@{slug}.example", "role": "agent", "active": True}
    yield {"id": ADMIN, "name": "Adam Admin", "email": f"adam@{slug}.example", "role": "admin", "active": True}


def organizations(slug: str) -> Iterator[dict[str, Any]]:
    """Two, one of them with a domain."""
    yield {"id": 1, "name": f"Oak {slug}", "domain_names": [f"oak-{slug}.example"]}
    yield {"id": 2, "name": f"Pine {slug}", "domain_names": []}


def comment(key: int, author: int, hours: float, body: str, **fields: Any) -> dict[str, Any]:
    """What somebody said."""
    return {"id": key, "author_id": author, "body": body, "public": True, "created_at": at(hours=hours), **fields}


def ticket(n: int, **fields: Any) -> dict[str, Any]:
    """A ticket with its description and three comments, as the JSON export has it."""
    asked, customer = f"Ticket {n} of the old desk: the quarterly report number{n} is empty.", 1 + n % CUSTOMERS
    said = [
        comment(10 * n, customer, n, asked),
        comment(10 * n + 1, AGENT, n + 1, f"We look into it (reference ref{n})."),
        comment(10 * n + 2, ADMIN, n + 1.5, "Seen before; the nightly job failed.", public=False),
        comment(10 * n + 3, customer, n + 2, "Thank you, please hurry."),
    ]
    given = {
        "id": n,
        "url": f"https://old.zendesk.com/api/v2/tickets/{n}.json",
        "subject": f"Empty report {n}",
        "description": asked,
        "status": STATUS[n % len(STATUS)],
        "priority": ("low", "normal", "high", "urgent", None)[n % 5],
        "type": ("question", "incident", None)[n % 3],
        "requester_id": customer,
        "submitter_id": customer,
        "assignee_id": AGENT,
        "group_id": 70,
        "organization_id": 1 + customer % 2,
        "collaborator_ids": [],
        "tags": ["report", f"quarter-{n % 4}"],
        "via": {"channel": ("email", "web", "chat", "voice", "api")[n % 5]},
        "custom_fields": [{"id": 31, "value": f"v{n}"}, {"id": 32, "value": None}],
        "created_at": at(hours=n),
        "updated_at": at(hours=n + 3),
        "comments": said,
    }
    return given | fields


def lines(path: Path, things: Iterator[Mapping[str, Any]]) -> None:
    """Write an object on each line."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(thing) + "\n" for thing in things)


def zendesk(directory: Path, slug: str, count: int) -> Path:
    """A whole export of so many tickets."""
    directory.mkdir(parents=True, exist_ok=True)
    lines(directory / "users.json", users(slug))
    lines(directory / "organizations.json", organizations(slug))
    lines(directory / "groups.json", iter([{"id": 70, "name": f"Support {slug}"}]))
    titles = [{"id": 31, "title": "Build number", "visible_in_portal": True}, {"id": 32, "title": "Unused"}]
    lines(directory / "ticket_fields.json", iter(titles))
    lines(directory / "tickets.json", (ticket(n) for n in range(1, count + 1)))
    return directory


def csv_file(path: Path, rows: list[Mapping[str, Any]], delimiter: str = ",") -> Path:
    """A CSV file with the columns of its first row."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path
