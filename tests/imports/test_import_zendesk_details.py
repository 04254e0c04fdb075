"""What becomes of a Zendesk ticket's fields, links, copies, files and authors."""

from pathlib import Path

from cli.imports.model import OldTicket
from cli.imports.zendesk import Zendesk
from cli.imports.zendesk_fields import OWN, slugs
from domain.identity import Role
from domain.tickets.fields import KEY
from tests.imports.exports import AGENT, at, comment, ticket
from tests.imports.reading import export, one


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
