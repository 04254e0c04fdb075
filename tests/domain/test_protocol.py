"""The envelopes: what crosses a process border arrives as it was sent, and ids lead back to what they name."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.identity import RANK, Actor, Role
from domain.ids import command_id, derived_id, effect_id, fingerprint, opening_id, wake_id, workflow_id
from domain.process import Deadline, Effect, Settlement, Wake
from domain.protocol import Message, Outcome, PendingEffect, Receipt, Record, Request, Snapshot, Start
from domain.tickets.commands import AddComment, ChangeTicket, CreateTicket, TicketCommand
from tests.domain.tickets import creation, reply

TENANT, PROCESS = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SNAPSHOT = Snapshot(
    revision=3,
    state={"status": "OPEN"},
    deadlines=(Deadline(kind="AUTO_CLOSE", due_at=NOW),),
    wake_at=NOW,
    wake_kind="AUTO_CLOSE",
    now=NOW,
    details="**SUP-1**",
    attributes={"SupStatus": "OPEN", "SupBreached": False},
)
RECORD = Record(command_id="c", fingerprint="f", at=NOW, answer={"n": 1})


def message(command: ChangeTicket | CreateTicket | AddComment) -> Message[ChangeTicket]:
    return Message[type(command)](  # type: ignore[misc,return-value]
        tenant_id=TENANT, command=command, command_id="c", fingerprint="f", actor=Actor(name="Ada"), received_at=NOW
    )


def test_a_message_keeps_what_was_set_and_what_was_left_out() -> None:
    sent = message(ChangeTicket(category=None, reason="because"))
    read = Message[ChangeTicket].model_validate_json(sent.model_dump_json())
    assert read == sent
    assert read.command.model_fields_set - {"type"} == {"category", "reason"}


@pytest.mark.parametrize("command", [ChangeTicket(team_id=None), reply(), creation(), Wake()], ids=lambda c: c.type)
def test_a_request_keeps_the_kind_of_its_command(command: ChangeTicket) -> None:
    sent = Request[TicketCommand](
        tenant_id=TENANT,
        process_id=PROCESS,
        kind="ticket",
        workflow_id="ticket/2",
        snapshot=SNAPSHOT,
        command=command,
        command_id="c",
        now=NOW,
    )
    read = Request[TicketCommand].model_validate_json(sent.model_dump_json())
    assert read == sent
    assert type(read.command) is type(command)
    assert read.command.model_fields_set - {"type"} == command.model_fields_set - {"type"}


def test_a_start_survives_with_its_message_or_with_its_snapshot() -> None:
    effects = (PendingEffect(id="ticket/2/3/0", effect=Effect(workflow="page", argument={"who": [1, None]})),)
    for start in (
        Start[CreateTicket](tenant_id=TENANT, process_id=PROCESS, message=message(creation())),
        Start[CreateTicket](tenant_id=TENANT, process_id=PROCESS, snapshot=SNAPSHOT, effects=effects),
    ):
        assert Start[CreateTicket].model_validate_json(start.model_dump_json()) == start


def test_an_envelope_takes_no_field_that_it_does_not_name() -> None:
    with pytest.raises(ValidationError):
        Snapshot.model_validate({"revision": 1, "surprise": 1})


def test_a_decided_input_is_answered_with_its_record() -> None:
    outcome = Outcome(snapshot=SNAPSHOT, record=RECORD)
    answer = outcome.receipt(PROCESS)
    assert answer is not None
    assert (answer.revision, answer.answer, answer.deadlines) == (3, {"n": 1}, SNAPSHOT.deadlines)


def test_a_repeated_input_is_answered_with_the_first_receipt() -> None:
    first = Receipt(process_id=PROCESS, revision=1, command_id="c", fingerprint="f", at=NOW, state={"status": "NEW"})
    assert Outcome(snapshot=SNAPSHOT, repeat=first).receipt(PROCESS) == first


def test_an_input_with_nothing_to_do_has_no_answer() -> None:
    assert Outcome(snapshot=SNAPSHOT).receipt(PROCESS) is None


@pytest.mark.parametrize("state", ["ARMED", "PAUSED", "DONE"])
def test_a_promise_that_has_ended_is_not_open(state: str) -> None:
    with pytest.raises(ValidationError):
        Settlement.model_validate({"kind": "K", "state": state, "settled_at": NOW})


def test_each_role_includes_itself_and_the_ones_before() -> None:
    for role in Role:
        assert {other for other in Role if role.includes(other)} == {r for r in Role if RANK[r] <= RANK[role]}


def test_ids_read_well_and_repeat() -> None:
    assert workflow_id("ticket", PROCESS) == f"ticket/{PROCESS}"
    assert wake_id(7) == "wake/7"
    assert effect_id(f"ticket/{PROCESS}", 7, 0) == f"ticket/{PROCESS}/7/0"
    assert opening_id(PROCESS) == opening_id(PROCESS) != PROCESS


@settings(deadline=None)
@given(st.lists(st.text(max_size=4), min_size=1, max_size=4), st.lists(st.text(max_size=4), min_size=1, max_size=4))
def test_derived_ids_are_equal_exactly_when_their_parts_are(one: list[str], other: list[str]) -> None:
    assert (derived_id(*one) == derived_id(*other)) == (one == other)
    assert derived_id(*one).version == 8
    assert derived_id(*one).variant == "specified in RFC 4122"


def test_a_command_is_another_one_for_another_tenant_principal_route_entity_or_key() -> None:
    parts = [TENANT, "ada", "POST /x", PROCESS, "key"]
    ids = {command_id(*parts)}  # type: ignore[arg-type]
    for n in range(len(parts)):
        ids.add(command_id(*[*parts[:n], "other", *parts[n + 1 :]]))  # type: ignore[arg-type]
    assert len(ids) == 6


def test_a_fingerprint_tells_bodies_apart_whatever_they_hold() -> None:
    assert fingerprint("ä") == fingerprint("ä".encode())
    assert fingerprint("a") != fingerprint("b")
