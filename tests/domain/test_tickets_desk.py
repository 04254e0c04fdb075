"""What agents do on a ticket beside answering, and what machines write: links, watchers, calls, chat, macros, acknowledgements."""

from datetime import timedelta
from uuid import UUID

import pytest

from domain.customers import ContactChannel
from domain.identity import SYSTEM, Actor, Role
from domain.process import Forbidden, Invalid, Wake
from domain.tickets.commands import ApplyMacro, ChangeTicket, ImportTicket, Merge, Relate
from domain.tickets.conversation import REOPENS_BY_MAIL, UnknownFile
from domain.tickets.greeting import subject_key
from domain.tickets.model import MOST_LINKS, Call, Direction, Link, LinkKind, Policy, Priority, Status
from domain.tickets.surroundings import Target
from tests.domain.tickets import AGENT, CUSTOMER, SOMEBODY, START, TICKET_ID, after, creation, move, reply, ticket, told

OTHER = UUID(int=0x07)
MINUTE = timedelta(minutes=1)
EMAIL = ContactChannel.EMAIL


def link(target: UUID = OTHER, **fields: object) -> Relate:
    return Relate(link=Link(type=LinkKind.TICKET, target_id=target), **fields)


def test_links_come_and_go_without_a_new_version() -> None:
    linked = after(link(), ticket()).state
    assert [each.target_id for each in linked.links] == [OTHER]
    assert linked.version == 1
    assert after(link(), linked).changes == {}
    assert after(link(remove=True), linked).state.links == ()


def test_a_link_leads_to_something_else_that_exists() -> None:
    with pytest.raises(Invalid):
        after(link(TICKET_ID), ticket())
    with pytest.raises(Invalid):
        after(link(), ticket(), link_known=False)
    many = tuple(Link(type=LinkKind.TICKET, target_id=UUID(int=n)) for n in range(MOST_LINKS))
    with pytest.raises(Invalid):
        after(link(UUID(int=999)), ticket(links=many))


def test_watchers_are_told_of_what_is_said_in_public() -> None:
    watched = after(Relate(watcher_id=SOMEBODY), ticket()).state
    assert ("ticket_watched", str(SOMEBODY)) in told(after(reply(), watched))
    assert ("customer_replied", str(SOMEBODY)) in told(after(reply(), watched, by=CUSTOMER))
    assert told(after(reply(internal=True), watched)) == []


def test_a_watcher_who_wrote_it_or_has_the_ticket_is_not_told_twice() -> None:
    watched = ticket(watchers=(AGENT.id, SOMEBODY), assignee_id=SOMEBODY)
    assert told(after(reply(), watched)) == [("ticket_reply", CUSTOMER.email)]
    assert told(after(reply(), watched, by=CUSTOMER)).count(("customer_replied", str(SOMEBODY))) == 1


def test_who_is_mentioned_in_a_note_is_told_and_watches() -> None:
    decision = after(reply(internal=True, mentions=(SOMEBODY, AGENT.id)), ticket())
    assert told(decision) == [("mentioned", str(SOMEBODY))]
    assert decision.state.watchers == (SOMEBODY, AGENT.id)
    assert told(after(reply(mentions=(SOMEBODY,)), ticket())) == [("ticket_reply", CUSTOMER.email)]


def test_who_is_copied_in_hears_what_the_customer_is_told() -> None:
    copied = after(Relate(cc="Boss@Shop.example"), ticket()).state
    assert copied.cc == ("boss@shop.example",)
    assert ("ticket_reply", "boss@shop.example") in told(after(reply(), copied))
    with pytest.raises(Invalid):
        after(Relate(cc=CUSTOMER.email.upper()), ticket())
    assert after(Relate(cc="boss@shop.example", remove=True), copied).state.cc == ()


def test_customers_do_not_link_or_watch() -> None:
    with pytest.raises(Forbidden):
        after(link(), ticket(), by=CUSTOMER)


def test_a_file_that_is_not_the_tickets_is_refused() -> None:
    with pytest.raises(UnknownFile):
        after(reply(attachment_ids=(OTHER,)), ticket(), files_known=False)


@pytest.mark.parametrize("direction", Direction)
def test_a_call_counts_as_an_answer_and_its_notes_are_the_staffs(direction: Direction) -> None:
    call = Call(direction=direction, seconds=90)
    decision = after(reply(internal=True, call=call), ticket(unanswered=(START,)), START + MINUTE)
    assert decision.state.first_response_at == START + MINUTE
    assert decision.state.unanswered == ()
    assert told(decision) == []


def test_a_missed_call_answers_nobody() -> None:
    call = Call(direction=Direction.OUTBOUND, seconds=0)
    assert after(reply(internal=True, call=call), ticket()).state.first_response_at is None


def test_who_chats_sees_the_answer_and_gets_no_mail_for_it() -> None:
    chat = ticket(channel=ContactChannel.CHAT, heard_at=START)
    assert told(after(reply(), chat, START + 5 * MINUTE)) == []
    assert told(after(reply(), chat, START + 11 * MINUTE)) == [("ticket_reply", CUSTOMER.email)]


@pytest.mark.parametrize("at", [Status.PENDING_CUSTOMER, Status.RESOLVED])
def test_d19_what_a_machine_wrote_moves_nothing(at: Status) -> None:
    before = ticket(at, assignee_id=SOMEBODY)
    decision = after(reply(automatic=True, via=EMAIL), before, START + MINUTE, by=CUSTOMER)
    assert decision.state.status is at
    assert decision.state.unanswered == ()
    assert decision.notices == ()
    answered = after(reply(automatic=True, via=EMAIL), ticket(), by=AGENT).state
    assert answered.first_response_at is None


def test_d21_mails_reopen_a_ticket_a_few_times_within_minutes_and_no_more() -> None:
    state, at = ticket(Status.RESOLVED), START
    reopened = 0
    for _ in range(20):
        at += timedelta(seconds=10)
        state = after(reply(via=EMAIL), state, at, by=CUSTOMER).state
        if state.status is Status.OPEN:
            reopened += 1
            at += timedelta(seconds=1)
            state = after(move(Status.RESOLVED), state, at).state
    assert reopened == REOPENS_BY_MAIL
    limited = after(reply(via=EMAIL), state, at + MINUTE, by=CUSTOMER)
    assert "limited" in limited.changes
    later = after(reply(via=EMAIL), state, at + timedelta(minutes=10), by=CUSTOMER).state
    assert later.status is Status.OPEN


def test_a_reply_on_the_portal_reopens_however_often() -> None:
    full = tuple(START for _ in range(REOPENS_BY_MAIL))
    assert after(reply(), ticket(Status.RESOLVED, reopened_by_mail=full), by=CUSTOMER).state.status is Status.OPEN


def test_a_mail_counts_from_when_it_came() -> None:
    came, now = START + MINUTE, START + 9 * MINUTE
    state = after(reply(via=EMAIL, occurred_at=came), ticket(), now, by=CUSTOMER).state
    assert (state.heard_at, state.unanswered) == (came, (came,))
    with pytest.raises(Forbidden):
        after(reply(occurred_at=came), ticket(), now, by=CUSTOMER)


def test_a_mail_that_came_within_the_grace_reopens_although_it_was_read_after_it() -> None:
    came = START + timedelta(days=7) - MINUTE
    state = after(reply(via=EMAIL, occurred_at=came), ticket(Status.RESOLVED), came + 9 * MINUTE, by=CUSTOMER).state
    assert state.status is Status.OPEN


def test_a_macro_does_it_all_in_one_decision() -> None:
    macro = ApplyMacro(
        template_id=OTHER,
        name="Duplicate order",
        change=ChangeTicket(priority=Priority.LOW, status=Status.RESOLVED),
        comment=reply(),
        add_tags=("refund",),
        remove_tags=("new",),
    )
    decision = after(macro, ticket(tags=("new", "vip")))
    state = decision.state
    assert (state.status, state.priority, state.tags) == (Status.RESOLVED, Priority.LOW, ("vip", "refund"))
    assert (state.version, state.first_response_at) == (2, START)
    assert [notice.template for notice in decision.notices] == ["ticket_reply", "ticket_resolved"]


def test_a_macro_that_changes_the_description_does_as_a_change_does() -> None:
    macro = ApplyMacro(
        template_id=OTHER,
        name="Bulk update",
        change=ChangeTicket(description="It answers 500.", reason="Asked again"),
        comment=reply(internal=True),
    )
    decision = after(macro, ticket(), description="It answers 403.")
    assert decision.changes["description"].after == "It answers 500."
    assert decision.state.version == 2


def test_what_is_said_and_changes_the_ticket_is_announced_as_both() -> None:
    noted = after(reply(internal=True, status=Status.RESOLVED), ticket())
    assert [(each.type, each.internal) for each in noted.announcements] == [
        ("ticket.commented", True),
        ("ticket.updated", False),
    ]
    assert [each.type for each in after(reply(), ticket()).announcements] == ["ticket.commented"]


def test_customers_who_write_or_ask_on_the_portal_are_told_that_it_has_come() -> None:
    for channel in ContactChannel:
        decision = after(creation(channel=channel), by=CUSTOMER, account_tier="PREMIUM")
        greeted = ("ticket_received", CUSTOMER.email) in told(decision)
        assert greeted is (channel in (EMAIL, ContactChannel.PORTAL))


@pytest.mark.parametrize(
    ("fields", "around"),
    [
        ({"automatic": True}, {}),
        ({}, {"greeted_subject": 2}),
        ({}, {"greeted_sender": 10}),
        ({}, {"policy": Policy(acknowledge=False)}),
    ],
)
def test_d20_machines_and_those_who_were_told_often_enough_are_not_told(
    fields: dict[str, object], around: dict[str, object]
) -> None:
    decision = after(creation(channel=EMAIL, **fields), by=CUSTOMER, **around)
    assert told(decision) == []


def test_d20_nine_earlier_acknowledgements_leave_room_for_a_tenth() -> None:
    decision = after(creation(channel=EMAIL), by=CUSTOMER, greeted_subject=1, greeted_sender=9)
    assert told(decision) == [("ticket_received", CUSTOMER.email)]


@pytest.mark.parametrize(
    "address", ["user@[127.0.0.1]", '"quoted local"@example.org', "ünï@exämple.org", "a@b.invalid"]
)
def test_where_no_mail_can_go_only_an_answer_is_tried(address: str) -> None:
    outsider = Actor(id=None, role=Role.CUSTOMER, name="Out", email=address)
    asked = after(creation(customer_email=address, channel=EMAIL), by=outsider)
    assert told(asked) == []
    resolved = after(move(Status.RESOLVED), asked.state).state
    alike = Target(id=OTHER, number=7, status=Status.OPEN, customer_email=address)
    quiet = [
        after(move(Status.RESOLVED), asked.state),
        after(Merge(into_id=OTHER), asked.state, target=alike),
        after(Wake(), resolved, START + timedelta(days=400)),
        after(Wake(), ticket(Status.PENDING_CUSTOMER, customer_email=address), START + timedelta(days=400)),
    ]
    assert [told(each) for each in quiet] == [[]] * 4
    assert told(after(reply(), asked.state)) == [("ticket_reply", address)]


def test_the_staff_are_not_told_of_what_they_record() -> None:
    assert told(after(creation(channel=EMAIL), by=AGENT)) == []


@pytest.mark.parametrize(
    "subject",
    ["Printer on fire", "RE: Printer on  fire", "Fwd: AW: re[2]: printer on fire", "[SUP-7] Re: Printer on fire"],
)
def test_a_conversation_keeps_its_subject(subject: str) -> None:
    assert subject_key(subject) == "printer on fire"


def imported(**fields: object) -> ImportTicket:
    given = {
        "external_ref": "zendesk:7",
        "customer_email": CUSTOMER.email,
        "subject": "Old",
        "description": "Very old",
        "status": Status.OPEN,
        "created_at": START - timedelta(days=400),
    }
    return ImportTicket(**(given | fields))


@pytest.mark.parametrize("status", Status)
def test_an_imported_ticket_stands_as_it_stood_and_tells_nobody(status: Status) -> None:
    decision = after(imported(status=status, assignee_id=SOMEBODY), by=SYSTEM)
    assert decision.state.status is status
    assert decision.state.created_at == START - timedelta(days=400)
    assert decision.final is (status in (Status.CLOSED, Status.CANCELLED))
    assert (decision.notices, decision.announcements) == ((), ())


def test_instants_of_an_imported_ticket_are_in_order() -> None:
    with pytest.raises(Invalid) as refused:
        after(imported(resolved_at=START - timedelta(days=500), closed_at=START + MINUTE), by=SYSTEM)
    assert {error["pointer"] for error in refused.value.extra["errors"]} == {"/resolvedAt", "/closedAt"}
