"""The documented CSV form: what its columns mean, and how each bad row is named."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cli.imports.csv_desk import CsvDesk
from cli.imports.model import Bad, OldTicket, Unreadable
from domain.customers import ContactChannel
from domain.identity import Role
from domain.tickets.model import Priority, Severity, Status
from tests.imports.exports import csv_file

WHEN = "2024-01-08T09:00:00+01:00"


def row(n: int = 1, **cells: str) -> dict[str, Any]:
    """A row of tickets.csv; a cell of another column by `**{"field.x": …}`."""
    return {
        "id": str(n),
        "customer_email": "c@shop.example",
        "subject": f"Subject {n}",
        "description": "It broke.",
        "status": "OPEN",
        "created_at": WHEN,
        **cells,
    }


def said(ticket: int = 1, **cells: str) -> dict[str, Any]:
    """A row of comments.csv."""
    return {
        "ticket_id": str(ticket),
        "author_email": "alma@desk.example",
        "author_name": "Alma",
        "author_role": "AGENT",
        "body": "We look.",
        "internal": "false",
        "created_at": WHEN,
        **cells,
    }


def desk(directory: Path, *rows: Mapping[str, Any], comments: list[Mapping[str, Any]] | None = None) -> CsvDesk:
    """Files with these rows."""
    if comments:
        csv_file(directory / "comments.csv", comments)
    return CsvDesk(csv_file(directory / "tickets.csv", list(rows)))


def only(source: CsvDesk) -> OldTicket:
    """Its one ticket."""
    [(_, found)] = source.tickets()
    assert isinstance(found, OldTicket), found
    return found


def faults(source: CsvDesk) -> list[tuple[str, str, list[str]]]:
    """Where something is wrong, with which ticket, and in which columns."""
    return [
        (where, bad.key, [name for name, _ in bad.errors]) for where, bad in source.tickets() if isinstance(bad, Bad)
    ]


def test_the_required_columns_are_enough(tmp_path: Path) -> None:
    found = only(desk(tmp_path, row()))
    assert (found.key, found.status, found.priority, found.severity, found.channel) == (
        *("1", Status.OPEN, Priority.MEDIUM, Severity.SEV3),
        ContactChannel.API,
    )
    assert found.created_at.isoformat() == "2024-01-08T08:00:00+00:00"


def test_every_column_is_taken(tmp_path: Path) -> None:
    cells = {
        "status": "pending customer",
        "priority": "high",
        "severity": "sev2",
        "category": "Billing",
        "channel": "Email",
        "assignee_email": "Alma@desk.example",
        "team": "First line",
        "tags": "a, b;c|a",
        "language": "de",
        "cc": "x@shop.example,y@shop.example",
        "updated_at": "2024-01-09T09:00:00Z",
        "first_response_at": "2024-01-08T10:00:00Z",
        "field.Order": "17",
        "field.empty": "",
    }
    source = desk(tmp_path, row(**cells))
    found = only(source)
    assert (found.status, found.priority, found.severity) == (Status.PENDING_CUSTOMER, Priority.HIGH, Severity.SEV2)
    assert (found.tags, found.cc, found.fields) == (
        ["a", "b", "c"],
        ("x@shop.example", "y@shop.example"),
        {"Order": "17"},
    )
    assert (found.assignee, found.team, found.language) == ("alma@desk.example", "first line", "de")
    assert [(each.key, each.staff) for each in source.people()] == [("alma@desk.example", True)]
    assert [each.name for each in source.teams()] == ["First line"]


def test_comments_lie_beside(tmp_path: Path) -> None:
    comments = [
        said(),
        said(internal="yes", body='With "quotes",\nand lines', author_role="lead"),
        said(author_email="c@shop.example", author_role="", author_name="", internal=""),
    ]
    source = desk(tmp_path, row(), comments=comments)
    found = only(source)
    assert [(each.author_name, each.author_role, each.internal) for each in found.comments] == [
        ("Alma", Role.AGENT, False),
        ("Alma", Role.LEAD, True),
        ("c", Role.CUSTOMER, False),
    ]
    assert found.comments[1].body == 'With "quotes",\nand lines'
    assert [(each.key, each.name) for each in source.people()] == [("alma@desk.example", "Alma")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_spreadsheets_of_every_country_are_read(tmp_path: Path, encoding: str, delimiter: str) -> None:
    path = csv_file(tmp_path / "old.csv", [row(subject="Müller, again; still")], delimiter)
    path.write_text(path.read_text(encoding="utf-8").replace("\n", "\r\n"), encoding=encoding)
    assert only(CsvDesk(path)).subject == "Müller, again; still"


def test_every_bad_row_is_named_by_line_and_columns_and_the_rest_goes_on(tmp_path: Path) -> None:
    source = desk(
        tmp_path,
        row(1, description="Two\nlines"),
        row(2, status="LOST", created_at="2024-01-08 09:00", customer_email="nobody"),
        row(3, subject="  "),
        row(4),
        row(5, description="x" * 100_001),
    )
    assert faults(source) == [
        ("tickets.csv:4", "2", ["status", "customer_email", "created_at"]),
        ("tickets.csv:5", "3", ["subject"]),
        ("tickets.csv:7", "5", ["description"]),
    ]


def test_times_without_an_offset_are_refused(tmp_path: Path) -> None:
    assert faults(desk(tmp_path, row(created_at="2024-01-08T09:00:00"))) == [("tickets.csv:2", "1", ["created_at"])]


def test_only_what_is_over_has_an_end(tmp_path: Path) -> None:
    instants = {"resolved_at": "2024-01-10T09:00:00Z", "closed_at": "2024-01-10T09:00:00Z"}
    source = desk(tmp_path, *(row(n, status=each.value, **instants) for n, each in enumerate(Status)))
    assert {key: names for _, key, names in faults(source)} == {
        **{str(n): ["resolved_at", "closed_at"] for n in range(5)},
        "5": ["closed_at"],
        "7": ["resolved_at"],
    }


def test_a_bad_comment_takes_its_ticket_with_it_and_is_named(tmp_path: Path) -> None:
    comments = [said(1), said(2, created_at="once", internal="perhaps"), said(3, author_role="BOSS"), said(9)]
    source = desk(tmp_path, row(1), row(2), row(3), comments=comments)
    assert faults(source) == [
        ("tickets.csv:3", "2", ["comments.csv:3 internal", "comments.csv:3 created_at"]),
        ("tickets.csv:4", "3", ["comments.csv:4 author_role"]),
    ]
    assert [(bad.key, bad.where) for bad in source.bad()] == [("9", "comments.csv:5")]


def test_rows_that_are_no_csv_are_named(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "tickets.csv", [row(1)])
    cells = ",".join(row(4).values())
    with path.open("ab") as file:
        file.write(b'2,c@shop.example,"Sub"ject,text,OPEN,' + WHEN.encode() + b"\r\n")
        file.write(b"3,c@shop.example,too,few\r\n\r\n")
        file.write(cells.encode() + b"\r\n")
        file.write(b"5,c@shop.example,M\xfcller,text,OPEN," + WHEN.encode() + b"\r\n")
        file.write(b'6,c@shop.example,"never closed')
    found = [(where, each.key, isinstance(each, OldTicket)) for where, each in CsvDesk(path).tickets()]
    assert found == [
        ("tickets.csv:2", "1", True),
        ("tickets.csv:3", "", False),
        ("tickets.csv:4", "3", False),
        ("tickets.csv:6", "4", True),
        ("tickets.csv:7", "5", False),
        ("tickets.csv:8", "", False),
    ]


@pytest.mark.parametrize(
    ("cells", "said_so"),
    [
        ({"colour": "red"}, "'colour' is not a column"),
        ({"field.": "red"}, r"'field\.' is not a column"),
        ({"status": None}, "the column status is missing"),
    ],
)
def test_a_header_that_is_not_as_documented_is_refused_at_once(
    tmp_path: Path, cells: dict[str, str | None], said_so: str
) -> None:
    rows = {name: value for name, value in (row() | cells).items() if value is not None}
    with pytest.raises(Unreadable, match=said_so):
        list(desk(tmp_path, rows).tickets())


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tickets.csv"
    path.write_text("id,customer_email,subject,description,status,created_at,Status\n")
    with pytest.raises(Unreadable, match="status is there twice"):
        list(CsvDesk(path).tickets())


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no such file"):
        CsvDesk(tmp_path)
