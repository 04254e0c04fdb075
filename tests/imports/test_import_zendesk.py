"""What of a Zendesk export means what here, and in how many forms such an export comes."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cli.imports.model import Bad, LeftOut, OldTicket, Unreadable
from cli.imports.zendesk import Zendesk
from domain.identity import Role
from domain.tickets.model import Status
from tests.imports.exports import AGENT, at, comment, lines, organizations, ticket, users
from tests.imports.reading import SLUG, export, one, read


def as_pages(path: Path, things: list[dict[str, Any]]) -> None:
    pages = [{"tickets": things[:1], "end_of_stream": False}, {"tickets": things[1:], "end_of_stream": True}]
    path.write_text("\n".join(map(json.dumps, pages)))


FORMS: dict[str, Callable[[Path, list[dict[str, Any]]], Any]] = {
    "lines": lambda path, things: lines(path, iter(things)),
    "lines after a byte order mark": lambda path, things: path.write_text(
        "\ufeff" + "\n\n".join(map(json.dumps, things))
    ),
    "array": lambda path, things: path.write_text(json.dumps(things)),
    "indented array": lambda path, things: path.write_text(json.dumps(things, indent=1)),
    "page": lambda path, things: path.write_text(
        json.dumps({"count": 2, "tickets": things, "next_page": None}, indent=2)
    ),
    "page on one line": lambda path, things: path.write_text(json.dumps({"tickets": things, "count": 2})),
    "pages on lines": as_pages,
    "indented objects": lambda path, things: path.write_text("\n".join(json.dumps(each, indent=2) for each in things)),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_file_holds_the_same(tmp_path: Path, form: str) -> None:
    expected = read(export(tmp_path, ticket(1), ticket(2)))
    FORMS[form](tmp_path / "tickets.json", [ticket(1), ticket(2)])
    assert [each.key for each in expected] == ["1", "2"]
    assert read(tmp_path) == expected
    assert read(tmp_path / "tickets.json") == expected


def test_one_page_can_hold_everything(tmp_path: Path) -> None:
    page = {
        "tickets": [ticket(1)],
        "users": list(users(SLUG)),
        "organizations": list(organizations(SLUG)),
        "groups": [],
    }
    (tmp_path / "all.json").write_text(json.dumps(page))
    source = Zendesk(tmp_path / "all.json", "zendesk")
    assert [each.key for _, each in source.tickets()] == ["1"]
    assert (len(source.people()), len(source.accounts()), source.bad()) == (42, 2, [])


def test_tickets_can_carry_everybody_within_themselves(tmp_path: Path) -> None:
    given = ticket(1)
    for name in ("requester_id", "submitter_id", "assignee_id", "group_id", "organization_id"):
        del given[name]
    given |= {
        "requester": {"id": 2, "name": "Rita", "email": "rita@oak.example", "organization_id": 1},
        "assignee": {"id": AGENT, "name": "Alma", "email": "alma@desk.example", "role": "agent"},
        "group": {"id": 70, "name": "Support"},
        "organization": {"id": 1, "name": "Oak"},
        "collaborator": [{"id": 5, "name": "Carl", "email": "Carl@oak.example"}],
    }
    del given["collaborator_ids"]
    lines(tmp_path / "export-2024.json", iter([given]))
    source = Zendesk(tmp_path / "export-2024.json", "zendesk")
    [(_, found)] = source.tickets()
    assert isinstance(found, OldTicket)
    assert (found.customer_email, found.assignee, found.team, found.cc) == (
        *("rita@oak.example", str(AGENT), "70"),
        ("carl@oak.example",),
    )
    assert {each.name: each.staff for each in source.people()} == {"Rita": False, "Alma": True, "Carl": False}
    assert [each.name for each in source.accounts()] == ["Oak"]


def test_comments_can_be_in_a_file_of_their_own(tmp_path: Path) -> None:
    given = [ticket(1), ticket(2)]
    loose = [each | {"ticket_id": raw["id"]} for raw in given for each in raw["comments"]]
    expected = read(export(tmp_path, *given))
    bare = [{name: value for name, value in raw.items() if name != "comments"} for raw in given]
    for name in ("comments", "ticket_comments"):
        directory = tmp_path / name
        directory.mkdir()
        assert read(export(directory, *bare, **{name: loose[::-1]})) == expected
    source = Zendesk(export(tmp_path, *bare, comments=[*loose, comment(9, 1, 1, "lost", ticket_id=77)]), "zendesk")
    assert len(list(source.tickets())) == 2
    assert [(bad.kind, bad.key, bad.where) for bad in source.bad()] == [("comment", "77", "comments.json:9")]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    {
        "new": "NEW",
        "open": "OPEN",
        "pending": "PENDING_CUSTOMER",
        "hold": "PENDING_INTERNAL",
        "solved": "RESOLVED",
        "closed": "CLOSED",
    }.items(),
)
def test_each_status_has_its_own(tmp_path: Path, theirs: str, ours: str) -> None:
    found = one(tmp_path, ticket(1, status=theirs))
    assert found.status is Status(ours)
    assert (found.resolved_at is not None) is (theirs in ("solved", "closed"))
    assert (found.closed_at is not None) is (theirs == "closed")


def test_the_metrics_of_a_ticket_tell_when_it_was_solved(tmp_path: Path) -> None:
    metrics = {"ticket_id": 1, "solved_at": at(hours=1.5), "status_updated_at": at(hours=2.5)}
    found = one(tmp_path, ticket(1, status="closed"), ticket_metrics=[metrics])
    assert [each.isoformat() for each in (found.resolved_at, found.closed_at) if each] == [
        "2024-01-08T10:30:00+00:00",
        "2024-01-08T11:30:00+00:00",
    ]


def test_the_first_comment_is_the_description(tmp_path: Path) -> None:
    found = one(tmp_path, ticket(1))
    assert found.description == "Ticket 1 of the old desk: the quarterly report number1 is empty."
    assert [(each.key, each.author_role, each.internal) for each in found.comments] == [
        ("11", Role.AGENT, False),
        ("12", Role.AGENT, True),
        ("13", Role.CUSTOMER, False),
    ]


NOTE = comment(1, AGENT, 1, "She **owes** us a lot, be careful.", public=False)


OPENING = comment(2, AGENT, 2, "Dear customer, how is it going?", attachments=[{"file_name": "a.pdf", "size": 3}])


@pytest.mark.parametrize("text", [NOTE["body"], "She owes us a lot,  be careful.\n"])
def test_a_note_that_opened_a_ticket_is_not_its_description(tmp_path: Path, text: str) -> None:
    found = one(tmp_path, ticket(1, description=text, comments=[NOTE, OPENING, comment(3, 2, 3, "Well")]))
    assert found.description == "Dear customer, how is it going?\n\n[Attachments in Zendesk: a.pdf (3 bytes)]"
    assert [(each.key, each.internal, each.body) for each in found.comments] == [
        ("1", True, NOTE["body"]),
        ("3", False, "Well"),
    ]


def test_a_ticket_of_nothing_but_notes_has_its_subject_as_its_description(tmp_path: Path) -> None:
    found = one(tmp_path, ticket(1, description=NOTE["body"], comments=[NOTE, NOTE | {"id": 2, "body": "Indeed"}]))
    assert (found.description, [each.internal for each in found.comments]) == ("Empty report 1", [True, True])
    nameless = one(tmp_path, ticket(1, description=NOTE["body"], subject=None, comments=[NOTE]))
    assert (nameless.subject, nameless.description) == ("(no text)", "(no text)")


def test_the_description_of_a_private_ticket_is_a_note_also_where_the_export_has_no_comments(tmp_path: Path) -> None:
    found = one(tmp_path, ticket(1, description=NOTE["body"], comments=[], is_public=False, submitter_id=AGENT))
    assert found.description == "Empty report 1"
    assert [(each.body, each.internal, each.author_name) for each in found.comments] == [
        (NOTE["body"], True, "Alma Agent")
    ]
    assert one(tmp_path, ticket(1, description=NOTE["body"], comments=[NOTE], is_public=False)).comments == (
        found.comments[0].model_copy(update={"key": "1", "at": datetime.fromisoformat(NOTE["created_at"])}),
    )


def test_a_note_before_the_description_hides_nothing(tmp_path: Path) -> None:
    asked = comment(2, 2, 1, "Where is my report?")
    found = one(tmp_path, ticket(1, description="Where is my report?", comments=[NOTE, asked]))
    assert (found.description, [each.key for each in found.comments]) == ("Where is my report?", ["1"])
    lost = one(tmp_path, ticket(1, description="Something else, which was redacted", comments=[NOTE, asked]))
    assert (lost.description, [each.key for each in lost.comments]) == (
        "Something else, which was redacted",
        ["1", "2"],
    )


def test_deleted_tickets_are_left_out(tmp_path: Path) -> None:
    assert read(export(tmp_path, ticket(1, status="deleted"))) == [LeftOut("1", "deleted")]


def test_every_fault_of_a_ticket_is_named_at_once(tmp_path: Path) -> None:
    given = ticket(1, status="lost", priority="soon", requester_id=4444, created_at="2024-01-08 09:00:00")
    given["comments"][1]["created_at"] = "yesterday"
    [bad] = read(export(tmp_path, given))
    assert isinstance(bad, Bad)
    assert [name for name, _ in bad.errors] == [
        "status",
        "priority",
        "tickets.json:1 comments.11.created_at",
        "requester_id",
        "created_at",
    ]


def test_a_broken_line_is_named_and_the_next_is_read(tmp_path: Path) -> None:
    export(tmp_path, ticket(1))
    with (tmp_path / "tickets.json").open("a") as file:
        file.write('{"id": 2, \n[]\n' + json.dumps(ticket(3)) + "\n")
    found = list(Zendesk(tmp_path, "zendesk").tickets())
    assert [(where, type(each)) for where, each in found] == [
        ("tickets.json:1", OldTicket),
        ("tickets.json:2", Bad),
        ("tickets.json:3", Bad),
        ("tickets.json:4", OldTicket),
    ]


def test_records_that_cannot_be_taken_are_named_with_what_hangs_on_them(tmp_path: Path) -> None:
    people = [{"id": 2, "name": "Rita", "email": "no address", "role": "end-user"}]
    companies = [{"id": 1, "name": "Oak", "domain_names": ["oak.example", "localhost"]}, {"id": 2, "name": " "}]
    source = Zendesk(export(tmp_path, ticket(1), users=people, organizations=companies), "zendesk")
    [(_, bad)] = source.tickets()
    assert isinstance(bad, Bad)
    assert [name for name, _ in bad.errors] == ["requester_id"]
    assert [(each.kind, each.key, each.errors[0][0]) for each in source.bad()] == [
        ("organization", "1", "domain_names"),
        ("organization", "2", "name"),
        ("user", "2", "email"),
    ]
    assert source.accounts()[0].domains == ("oak.example",)


@pytest.mark.parametrize("content", ["no JSON", '{"tickets": [{"id": 1', "[1, 2"])
def test_what_is_no_export_is_not_begun(tmp_path: Path, content: str) -> None:
    export(tmp_path)
    (tmp_path / "tickets.json").write_text(content)
    with pytest.raises(Unreadable):
        read(tmp_path)


def test_a_directory_without_tickets_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"no tickets\.json"):
        Zendesk(tmp_path, "zendesk")
