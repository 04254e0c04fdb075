"""What holds for a ticket whatever happens to it, in any order and at any instant."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.identity import Actor
from domain.process import Decision, Refusal, Wake
from domain.tickets.commands import TICKET_COMMAND, AddComment, ChangeTicket
from domain.tickets.lifecycle import FINAL, MOVES
from domain.tickets.model import Policy, Priority, Severity, Status, Ticket
from tests.domain.tickets import AGENT, CUSTOMER, SOMEBODY, START, STRANGER, after, creation, settled

# Lives are long to draw, and a busy machine must not fail a rule.
settings.register_profile("lives", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LIVES = settings.get_profile("lives")

SPANS = [timedelta(0), timedelta(microseconds=1), timedelta(hours=5), timedelta(days=3), timedelta(days=7)]

policies = st.builds(
    Policy,
    remind_after=st.sampled_from([timedelta(0), timedelta(days=1), timedelta(days=3)]),
    resolve_after=st.sampled_from([timedelta(0), timedelta(days=7)]),
    reopen_grace=st.sampled_from([timedelta(0), timedelta(days=2), timedelta(days=7)]),
)
patches = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(Status),
        "priority": st.sampled_from(Priority),
        "severity": st.sampled_from(Severity),
        "category": st.sampled_from([None, "Billing"]),
        "subject": st.text(min_size=1, max_size=5),
        "description": st.text(min_size=1, max_size=5),
        "assignee_id": st.sampled_from([None, SOMEBODY]),
        "tags": st.lists(st.sampled_from("ab"), max_size=2).map(tuple),
        "fields": st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.text(max_size=3), max_size=2),
        "expected_versions": st.lists(st.integers(1, 4), max_size=3).map(tuple),
    },
).map(ChangeTicket.model_validate)
comments = st.builds(
    AddComment,
    comment_id=st.just(UUID(int=0xC0FFEE)),
    body=st.text(min_size=1, max_size=5),
    internal=st.booleans(),
    status=st.none() | st.sampled_from(Status),
)
commands = st.one_of(patches, comments, st.just(Wake()), st.just(creation()))
steps = st.tuples(commands, st.sampled_from(SPANS), st.sampled_from([AGENT, CUSTOMER, STRANGER]), policies)

Step = tuple[ChangeTicket | AddComment | Wake, timedelta, Actor, Policy]


@dataclass(frozen=True)
class Told:
    """One accepted step of a life."""

    before: Ticket
    command: ChangeTicket | AddComment | Wake
    at: datetime
    policy: Policy
    decision: Decision[Ticket]


def life(assigned: bool, happenings: list[Step]) -> list[Told]:
    """All accepted steps of a ticket to which these things happen; refused ones change nothing."""
    state = after(creation(assignee_id=SOMEBODY if assigned else None)).state
    now, accepted = START, []
    for command, span, actor, policy in happenings:
        now += span
        kept = state.model_dump_json()
        try:
            decision = after(command, state, now, by=actor, policy=policy)
        except Refusal:
            assert state.model_dump_json() == kept
            continue
        accepted.append(Told(state, command, now, policy, decision))
        state = decision.state
    return accepted


lives = st.builds(life, st.booleans(), st.lists(steps, max_size=12))


@LIVES
@given(lives)
def test_only_moves_of_the_table_happen(told: list[Told]) -> None:
    for step in told:
        reachable, frontier = {step.before.status}, {step.before.status}
        while frontier := {to for at in frontier for to in MOVES[at]} - reachable:
            reachable |= frontier
        assert step.decision.state.status in reachable
        if step.before.status in FINAL:
            assert step.decision.state == step.before


@LIVES
@given(lives)
def test_the_version_never_falls_and_moves_only_with_what_patch_can_change(told: list[Told]) -> None:
    for step in told:
        moved = step.decision.state.version - step.before.version
        assert moved == (1 if step.decision.changes.keys() - {"promises"} else 0)


@LIVES
@given(lives)
def test_promises_are_open_only_where_something_is_awaited(told: list[Told]) -> None:
    for step in told:
        kinds = {deadline.kind for deadline in step.decision.deadlines}
        expected = {Status.PENDING_CUSTOMER: {"CUSTOMER_REMINDER", "AUTO_RESOLVE"}, Status.RESOLVED: {"AUTO_CLOSE"}}
        assert kinds <= expected.get(step.decision.state.status, set())
        assert step.decision.final == (step.decision.state.status in FINAL)


@LIVES
@given(lives)
def test_no_promise_is_settled_twice_or_settled_and_open(told: list[Told]) -> None:
    ended: set[tuple[str, int]] = set()
    for step in told:
        now_ended = [(kind, cycle) for kind, cycle, _, _ in settled(step.decision)]
        assert len(now_ended) == len(set(now_ended))
        assert not ended & set(now_ended)
        ended |= set(now_ended)
        assert not ended & {(deadline.kind, deadline.cycle) for deadline in step.decision.deadlines}


@LIVES
@given(lives)
def test_what_is_settled_was_due_or_happened_by_then(told: list[Told]) -> None:
    for step in told:
        assert all(instant <= step.at for _, _, _, instant in settled(step.decision))
        assert step.decision.state.updated_at >= step.before.updated_at


@LIVES
@given(lives)
def test_waking_twice_at_one_instant_changes_nothing_the_second_time(told: list[Told]) -> None:
    for step in told:
        once = after(Wake(), step.decision.state, step.at, policy=step.policy)
        twice = after(Wake(), once.state, step.at, policy=step.policy)
        assert (twice.state, twice.deadlines) == (once.state, once.deadlines)
        assert (twice.changes, twice.notices, twice.settled) == ({}, (), ())


@LIVES
@given(lives)
def test_nothing_that_a_wake_leaves_open_is_due(told: list[Told]) -> None:
    for step in told:
        woken = after(Wake(), step.decision.state, step.at, policy=step.policy)
        assert all(deadline.due_at > step.at for deadline in woken.deadlines)


@LIVES
@given(lives)
def test_a_state_survives_its_way_through_json(told: list[Told]) -> None:
    for step in told:
        state = step.decision.state
        assert Ticket.model_validate(state.model_dump(mode="json")) == state


@LIVES
@given(commands)
def test_a_command_survives_its_way_through_json_with_what_was_left_out(command: ChangeTicket) -> None:
    read = TICKET_COMMAND.validate_json(command.model_dump_json())
    assert read == command
    assert read.model_fields_set - {"type"} == command.model_fields_set - {"type"}
