"""What of a Zendesk export means what here, and in how many forms such an export comes."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cli.imports.model import Bad, LeftOut, OldTicket, Unreadable
from cli.imports.zendesk import Zendesk
from cli.imports.zendesk_fields import OWN, slugs
from domain.identity import Role
from domain.tickets.fields import KEY
from domain.tickets.model import Status
from tests.imports.exports import AGENT, at, comment, lines, organizations, ticket, users

SLUG = "desk"


def export(directory: Path, *tickets: dict[str, Any], **files: list[dict[str, Any]]) -> Path:
    """A small export."""
    given = {"users": list(users(SLUG)), "organizations": list(organizations(SLUG)), "groups": [], **files}
    for name, things in given.items():
        lines(directory / f"{name}.json", iter(things))
    lines(directory / "tickets.json", iter(tickets))
    return directory


def read(path: Path) -> list[Any]:
    """The tickets of an export, in its order."""
    return [found for _, found in Zendesk(path, "zendesk").tickets()]


def one(directory: Path, given: dict[str, Any], **files: list[dict[str, Any]]) -> OldTicket:
    """The only ticket of an export."""
    [found] = read(export(directory, given, **files))
    assert isinstance(found, OldTicket), found
    return found


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


def test_files_are_named_in_the_text(tmp_path: Path) -> None:
    file = [{"file_name": "trace.txt", "size": 17}, {"file_name": "b.png", "size": 2}]
    said = [
        comment(1, 2, 1, "Help", attachments=file[:1]),
        comment(2, AGENT, 2, "", attachments=file),
        comment(3, AGENT, 3, "", html_body="<p>Only <b>HTML</b></p>"),
    ]
    found = one(tmp_path, ticket(1, description="Help", comments=said))
    assert found.description == "Help\n\n[Attachments in Zendesk: trace.txt (17 bytes)]"
    assert [each.body for each in found.comments] == [
        "[Attachments in Zendesk: trace.txt (17 bytes), b.png (2 bytes)]",
        "Only HTML",
    ]


def test_custom_fields_have_the_names_of_their_titles(tmp_path: Path) -> None:
    titles = [{"id": 31, "title": "Build number!"}, {"id": 33, "title": "build NUMBER"}]
    values = [
        {"id": 31, "value": "a"},
        {"id": 33, "value": ["b", "c"]},
        {"id": 34, "value": True},
        {"id": 35, "value": None},
    ]
    given = ticket(
        1, custom_fields=values, satisfaction_rating={"score": "good", "comment": "Quick"}, external_id="X-1"
    )
    assert one(tmp_path, given, ticket_fields=titles).fields == {
        "build_number": "a",
        "build_number_33": ["b", "c"],
        "zendesk_34": True,
        "satisfaction": "good",
        "satisfaction_comment": "Quick",
        "external_id": "X-1",
    }


def test_names_of_custom_fields_are_such_as_can_be_defined_here() -> None:
    titles = ("Ordre n° 7", "2nd line?", "x" * 60, "X" * 50 + "!", "数", "")
    found = slugs({"id": 360000000000 + n, "title": title} for n, title in enumerate(titles))
    assert list(found.values()) == ["ordre_n_7", "nd_line", "x" * 40, "x" * 27 + "_360000000003"]
    assert all(KEY.fullmatch(name) for name in found.values())


def test_no_custom_field_has_a_name_of_ours_or_one_that_cannot_be_hidden(tmp_path: Path) -> None:
    titles = [{"id": 31, "title": "Organization"}, {"id": "Ab-" * 20, "title": "organization"}]
    values = [{"id": each, "value": "x"} for each in (31, "Ab-" * 20, None, "Ü 7", "9" * 60)]
    source = Zendesk(export(tmp_path, ticket(1, custom_fields=values), ticket_fields=titles), "zendesk")
    [(_, found)] = source.tickets()
    assert isinstance(found, OldTicket)
    assert len(found.fields) == 5
    assert "organization_31" in found.fields
    assert "organization" not in found.fields
    assert all(KEY.fullmatch(name) for name in source.staff_fields())


def test_fields_are_the_staffs_unless_the_portal_shows_them(tmp_path: Path) -> None:
    titles = [
        {"id": 31, "title": "Build number", "visible_in_portal": True, "active": True},
        {"id": 32, "title": "Churn  risk", "visible_in_portal": False},
        {"id": 33, "title": "Who knows"},
        {"id": 34, "title": "Gone", "visible_in_portal": True, "active": False},
        {"id": 35, "title": "Without a value"},
        {"id": 36, "title": "数", "visible_in_portal": True},
        {"id": 37, "title": "数字"},
    ]
    values = [{"id": each, "value": None if each == 35 else "x"} for each in range(31, 39)]
    given = ticket(
        1,
        custom_fields=values,
        due_at=at(hours=9),
        external_id="X-1",
        satisfaction_rating={"score": "bad", "comment": "Slow"},
        organization_id=2,
        requester_id=2,
        collaborator_ids=list(range(1, 26)),
        tags=["t" * 65],
    )
    source = Zendesk(export(tmp_path, given, ticket_fields=titles), "zendesk")
    [(_, found)] = source.tickets()
    assert isinstance(found, OldTicket)
    assert set(found.fields) - set(source.staff_fields()) == {"build_number", "zendesk_36"}
    assert source.staff_fields() == {
        "churn_risk": "Churn risk",
        "who_knows": "Who knows",
        "gone": "Gone",
        "zendesk_37": "数字",
        "zendesk_38": "Zendesk 38",
        "due_at": "Due at",
        "external_id": "External id",
        "satisfaction": "Satisfaction",
        "satisfaction_comment": "Satisfaction comment",
        "organization": "Organization",
        "tags_more": "Tags more",
        "cc_more": "Cc more",
    }
    assert set(source.staff_fields()) >= OWN


def test_related_tickets_are_linked(tmp_path: Path) -> None:
    source = {"rel": "follow_up", "from": {"ticket_id": 3}}
    merged = comment(5, AGENT, 3, 'This request was closed and merged into request #8 "Report".', public=False)
    given = ticket(
        1, problem_id=2, via={"channel": "email", "source": source}, tags=["closed_by_merge"], followup_ids=[4]
    )
    given["comments"].append(merged)
    assert one(tmp_path, given).links == ("2", "4", "3", "8")


def test_copies_are_addresses(tmp_path: Path) -> None:
    assert one(tmp_path, ticket(1, collaborator_ids=[3, 999])).cc == ("c3@pine-desk.example",)
    assert one(tmp_path, ticket(1, collaborator_ids=[3], email_cc_ids=[4])).cc == ("c4@oak-desk.example",)


def test_what_does_not_fit_is_kept_among_the_fields(tmp_path: Path) -> None:
    long = "t" * 65
    found = one(tmp_path, ticket(1, tags=["short", long], collaborator_ids=list(range(1, 26))))
    assert found.tags == ["short"]
    assert found.fields["tags_more"] == [long]
    assert (len(found.cc), len(found.fields["cc_more"])) == (20, 5)


def test_odd_texts_are_made_storable(tmp_path: Path) -> None:
    given = ticket(1, subject="Two\nlines\u0000 of \ud83d", description="a\u0000b", comments=[])
    found = one(tmp_path, given)
    assert found.subject == "Two lines of \ufffd"
    assert found.description == "ab"


def test_a_ticket_without_words_gets_some(tmp_path: Path) -> None:
    found = one(
        tmp_path, ticket(1, subject=None, description="", comments=[comment(1, 2, 1, "Called about\nthe report")])
    )
    assert (found.subject, found.description, found.comments) == (
        "Called about the report",
        "Called about\nthe report",
        (),
    )
    silent = one(tmp_path, ticket(1, subject="", description=None, comments=[]))
    assert (silent.subject, silent.description) == ("(no text)", "(no text)")


def test_somebody_without_an_address_has_a_stand_in(tmp_path: Path) -> None:
    found = one(
        tmp_path, ticket(1, requester_id=7), users=[{"id": 7, "name": "A caller", "email": None, "role": "end-user"}]
    )
    assert found.customer_email == "user-7@zendesk.invalid"


def test_authors_who_are_gone_are_said_to_be(tmp_path: Path) -> None:
    said = [
        comment(2, 5555, 2, "Who am I"),
        comment(3, -1, 3, "Closed by a rule"),
        comment(4, 5555, 4, "A note", public=False),
    ]
    found = one(tmp_path, ticket(1, comments=said))
    assert [(each.author_name, each.author_role) for each in found.comments] == [
        ("Zendesk user 5555", Role.CUSTOMER),
        ("Zendesk", Role.AGENT),
        ("Zendesk user 5555", Role.AGENT),
    ]


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
