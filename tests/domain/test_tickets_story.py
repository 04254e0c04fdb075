"""A ticket's history in words, told of what real decisions recorded."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic_core import to_json

from domain.identity import Actor
from domain.process import Command, Wake
from domain.sla.calendars import DAYS
from domain.sla.clocks import Clock, ClockKind
from domain.sla.escalation import Notify, Page, Raise, Reassign
from domain.tickets.clock_story import Edit, Why, clock_changes, sentence
from domain.tickets.commands import Absorb, AdjustClock, ApplyMacro, ChangeTicket, ClockAction, Reapply
from domain.tickets.model import Policy, Priority, Severity, Status
from domain.tickets.story import Did, Known, Recorded, Story, tell
from tests.domain.promises import (
    ALWAYS,
    CALENDARS,
    FIRST,
    LAST,
    LEAD,
    NEXT,
    OFFICE,
    Life,
    Minutes,
    at_percent,
    policy,
    terms,
    when,
)
from tests.domain.tickets import AGENT, CUSTOMER, creation, reply

PROMISED: Minutes = {FIRST: 60, LAST: 240}
SUMMIT = Actor()
NAMED = [Edit(ALWAYS, "Always", 1, when("00:00", -9), None), Edit(OFFICE, "Office", 1, when("00:00", -9), None)]


@dataclass
class Book:
    """A ticket's life, each decision of it told as its history keeps it."""

    life: Life
    names: Mapping[str, str] = field(default_factory=dict)
    calendars: Sequence[Edit] = tuple(NAMED)
    previous: datetime | None = None

    def write(self, command: Command, at: datetime, by: Actor = AGENT, **how: Any) -> Story:
        """Decide a command, and tell of it."""
        before = self.life.ticket.model_dump(mode="json")["clocks"] if self.life.decisions else []
        decision = self.life.do(command, at, by=by, **how)
        told = {notice.rung: [] for notice in decision.notices if notice.rung}
        for notice in decision.notices:
            if notice.rung:
                told[notice.rung].append((notice.template, notice.recipient))
        recorded = Recorded(
            command=command.model_dump(mode="json"),
            actor=by.name,
            staff=by.staff,
            decided_at=at + how.get("late", timedelta()),
            changes=json.loads(to_json(decision.changes)),
            before=[Clock.model_validate(clock) for clock in before],
            previous=self.previous,
        )
        self.previous = at
        return tell(recorded, Known(self.names, self.calendars, told))

    def wake(self, at: datetime) -> Story:
        """Its timer fires."""
        return self.write(Wake(), at, SUMMIT)


def book(*rules: Any, fee: int = 0, **fields: Any) -> Book:
    """A ticket that was opened on Monday at nine, with a first response within an hour and a resolution within four."""
    opened = Book(Life(terms(policy(PROMISED, rules=rules, **fields), fee=fee)))
    opened.write(creation(), when("09:00"))
    return opened


def whys(story: Story) -> list[tuple[ClockKind, str | None, str, Why]]:
    """What happened to each clock: kind, state before, state after, why."""
    return [
        (each.after.kind, each.before.state.value if each.before else None, each.after.state.value, each.why)
        for each in story.clocks
    ]


def test_an_opened_ticket_says_what_is_promised() -> None:
    opened = Book(Life(terms(policy(PROMISED)))).write(creation(), when("09:00"))
    assert opened.did is Did.CREATE
    assert opened.summary == (
        "Opened by Alex Agent."
        " First response promised within 60 business minutes of “Always”, due 2026-03-02 10:00:00 UTC."
        " Resolution promised within 240 business minutes of “Always”, due 2026-03-02 13:00:00 UTC."
    )
    assert whys(opened) == [(FIRST, None, "RUNNING", Why.STARTED), (LAST, None, "RUNNING", Why.STARTED)]


def test_a_breach_says_when_and_what_was_promised() -> None:
    broken = book().wake(when("10:00"))
    assert broken.did is Did.DUE
    assert broken.summary == "First response breached at 2026-03-02 10:00:00 UTC: 60 business minutes were promised."
    assert whys(broken) == [(FIRST, "RUNNING", "BREACHED", Why.DEADLINE)]


def test_a_breach_and_its_late_reply_are_told_as_two_or_as_one() -> None:
    twice = book()
    twice.wake(when("10:00"))
    late = twice.write(reply(), when("10:30"))
    assert late.summary == (
        "Public reply by Alex Agent."
        " First response met late at 2026-03-02 10:30:00 UTC, after its breach at 2026-03-02 10:00:00 UTC."
    )
    at_once = book().write(reply(), when("10:30"))
    assert "breached at 2026-03-02 10:00:00 UTC: 60 business minutes were promised; met late at" in at_once.summary


def test_d15_a_merge_tells_since_when_the_customer_waits() -> None:
    older = Absorb(source_id=UUID(int=7), source_number=7, unanswered=(when("08:30"),), first_asked=when("08:30"))
    taken = book().write(older, when("09:10"))
    assert taken.summary == (
        "SUP-7 was merged into this one by Alex Agent."
        " First response counts from 2026-03-02 08:30:00 UTC on, when the customer of the merged ticket asked,"
        " due 2026-03-02 09:30:00 UTC instead of 2026-03-02 10:00:00 UTC."
    )
    assert whys(taken) == [(FIRST, "RUNNING", "RUNNING", Why.OLDER_WAIT)]
    late = book().write(older, when("09:40"))
    assert late.summary.endswith(
        "First response breached at 2026-03-02 09:30:00 UTC: 60 business minutes were promised, and a change left no time:"
        " the customer of the merged ticket has waited since 2026-03-02 08:30:00 UTC."
    )


def test_a_severity_that_was_raised_tells_the_new_target() -> None:
    targets: Mapping[Severity, Minutes] = {Severity.SEV3: PROMISED, Severity.SEV1: {FIRST: 15, LAST: 240}}
    opened = Book(Life(terms(policy(targets))))
    opened.write(creation(), when("09:00"))
    raised = opened.write(ChangeTicket(severity=Severity.SEV1, reason="The shop is down"), when("09:10"))
    assert raised.summary.startswith("Severity SEV3 → SEV1 by Alex Agent: The shop is down. First response promised")
    assert "15 business minutes of “Always” from now on, due 2026-03-02 09:15:00 UTC instead of" in raised.summary
    assert whys(raised)[0] == (FIRST, "RUNNING", "RUNNING", Why.TARGET)
    broken = opened.life.ticket.clock(FIRST)
    assert broken is not None
    assert (raised.clocks[0].after, raised.fields) == (broken, {"severity": {"before": "SEV3", "after": "SEV1"}})


def test_a_change_that_leaves_no_time_is_a_breach_by_that_change() -> None:
    targets: Mapping[Severity, Minutes] = {Severity.SEV3: PROMISED, Severity.SEV1: {FIRST: 15, LAST: 240}}
    opened = Book(Life(terms(policy(targets))))
    opened.write(creation(), when("09:00"))
    raised = opened.write(ChangeTicket(severity=Severity.SEV1), when("09:30"))
    assert "First response breached at 2026-03-02 09:30:00 UTC" in raised.summary
    assert "a change left no time" in raised.summary
    assert "edited" not in raised.summary


def test_waiting_for_the_customer_pauses_and_goes_on() -> None:
    waiting = book()
    paused = waiting.write(ChangeTicket(status=Status.PENDING_CUSTOMER), when("09:30"))
    assert paused.summary == "Status NEW → PENDING_CUSTOMER by Alex Agent. Resolution paused: waiting for the customer."
    heard = waiting.write(reply(), when("10:00"), CUSTOMER)
    assert heard.summary.startswith("The customer wrote (Casey Customer), Status PENDING_CUSTOMER → OPEN.")
    assert "Resolution resumed, due 2026-03-02 13:30:00 UTC." in heard.summary


def test_pauses_and_waives_by_hand_say_who_and_why() -> None:
    held = book()
    paused = held.write(AdjustClock(kind=LAST, action=ClockAction.PAUSE, reason="They move house"), when("09:10"), LEAD)
    assert (paused.did, paused.summary) == (
        Did.PAUSE,
        "Resolution paused by Lee Lead: They move house.",
    )
    resumed = held.write(AdjustClock(kind=LAST, action=ClockAction.RESUME, reason="Moved"), when("09:20"), LEAD)
    assert resumed.did is Did.RESUME
    waived = held.write(AdjustClock(kind=LAST, action=ClockAction.WAIVE, reason="Agreed"), when("09:30"), LEAD)
    assert (waived.did, waived.summary) == (Did.WAIVE, "Resolution waived by Lee Lead: Agreed.")
    assert whys(waived) == [(LAST, "RUNNING", "CANCELLED", Why.WAIVED)]


def test_a_breach_that_is_waived_is_told_as_such() -> None:
    broken = book()
    broken.wake(when("10:00"))
    clock = broken.life.clock(FIRST)
    [change] = clock_changes([clock], [clock.moved(waived=True)], NAMED, None, when("10:05"))
    assert (change.why, sentence(change)) == (Why.WAIVED, "First response: its breach is waived")


def test_a_reply_dated_before_the_breach_tells_that_it_is_annulled() -> None:
    dated = book()
    dated.wake(when("10:00"))
    annulled = dated.write(reply(occurred_at=when("09:50"), reason="By phone"), when("11:00"), LEAD)
    assert annulled.summary == (
        "Public reply by Lee Lead, made at 2026-03-02 09:50:00 UTC: By phone."
        " First response: its breach is annulled, because it was met at 2026-03-02 09:50:00 UTC."
    )


def test_resolving_and_reopening_tell_of_the_resolution() -> None:
    done = book()
    done.write(reply(), when("09:20"))
    resolved = done.write(ChangeTicket(status=Status.RESOLVED), when("09:30"))
    assert resolved.summary.endswith("by Alex Agent. Resolution met at 2026-03-02 09:30:00 UTC.")
    reopened = done.write(reply(), when("09:40"), CUSTOMER)
    assert "Resolution goes on, due 2026-03-02 13:10:00 UTC." in reopened.summary
    assert whys(reopened) == [(LAST, "MET", "RUNNING", Why.REOPENED)]


def test_a_rule_that_fires_says_whom_it_told_and_for_which_others_it_stands() -> None:
    rules = [
        at_percent(50, Notify(to="TEAM_LEAD")),
        at_percent(75, Notify(to="USER", id=LEAD.id), Notify(to="ROLE", role=LEAD.role), Page()),
    ]
    named = book(*rules)
    named.names = {str(LEAD.id): "Lee Lead"}
    fired = named.wake(when("09:50"))
    assert fired.summary == (
        "Escalation rule “at 75 %” fired for first response: told Lee Lead and everybody with the role LEAD"
        " and paged whoever is on call; it stands for “at 50 %” too."
    )
    assert fired.clocks == []


def test_what_a_rule_changes_is_told_with_it() -> None:
    rule = at_percent(50, Raise(priority=Priority.URGENT), Reassign(assignee_id=LEAD.id))
    raised = book(rule)
    raised.names = {str(LEAD.id): "Lee Lead"}
    fired = raised.wake(when("09:30"))
    assert fired.summary == (
        "Status NEW → OPEN, Priority MEDIUM → URGENT, Assignee none → Lee Lead."
        " Escalation rule “at 50 %” fired for first response: raised it and reassigned it."
    )


def test_an_edited_calendar_is_named_with_who_edited_it() -> None:
    opened = book(calendar=OFFICE)
    early = {**CALENDARS[OFFICE], "week": dict.fromkeys(DAYS[:5], (("09:00", "09:30"),))}
    opened.life.terms = terms(policy(PROMISED, calendar=OFFICE, calendars={**CALENDARS, OFFICE: early}))
    opened.calendars = [*NAMED, Edit(OFFICE, "Office", 2, when("09:05"), "Lee Lead")]
    anew = opened.wake(when("09:06"))
    assert anew.did is Did.RECALCULATE
    assert anew.summary.startswith(
        "First response counted anew, due 2026-03-03 09:30:00 UTC instead of 2026-03-02 10:00:00 UTC:"
        " “Office” was edited by Lee Lead. Resolution counted anew"
    )
    assert [change.edited for change in anew.clocks] == [opened.calendars[-1]] * 2


def test_an_account_that_moved_is_not_taken_for_an_edited_calendar() -> None:
    opened = book(calendar=OFFICE)
    opened.life.terms = terms(policy(PROMISED, calendar=OFFICE), home="America/New_York")
    anew = opened.wake(when("09:06"))
    assert anew.did is Did.RECALCULATE
    assert "the hours of “Office” changed with the account's time zone or its public holidays" in anew.summary
    assert {change.edited for change in anew.clocks} == {None}


def test_a_definition_applied_again_tells_the_new_target() -> None:
    opened = book()
    clock = opened.life.clock(FIRST)
    opened.life.terms = terms(policy({FIRST: 30, LAST: 240}, version=2))
    again = opened.write(Reapply(definition_id=clock.target.definition_id), when("09:10"), LEAD)
    assert again.did is Did.REAPPLY
    assert again.summary.startswith(
        "Brought under today's version of its definition by Lee Lead. First response promised"
    )
    assert "30 business minutes" in again.summary


def test_a_proposed_credit_is_told() -> None:
    breached = book(fee=1000, steps=[(0, "5")])
    told = breached.wake(when("10:00"))
    assert told.summary.endswith(
        "A credit of 50.00 USD (5 % of the monthly fee) is proposed for the breach of the first response."
    )


def test_what_a_ticket_does_by_itself_is_told_as_such() -> None:
    waiting = Book(Life(terms(policy({LAST: 240}))))
    waiting.write(creation(), when("09:00"))
    waiting.write(ChangeTicket(status=Status.PENDING_CUSTOMER), when("09:30"))
    reminded = waiting.wake(when("09:30", 3))
    assert (reminded.summary, reminded.promises) == (
        "The customer was reminded.",
        [("CUSTOMER_REMINDER", 1, "FIRED")],
    )
    resolved = waiting.wake(when("09:30", 3) + Policy().resolve_after)
    assert resolved.summary.startswith(
        "Status PENDING_CUSTOMER → RESOLVED. Resolved by itself, because the customer did not answer."
    )


def test_a_new_cycle_is_told_with_its_number() -> None:
    asked = Book(Life(terms(policy({FIRST: 60, NEXT: 60}))))
    asked.write(creation(), when("09:00"))
    for minute in ("10", "30"):
        asked.write(reply(), when(f"09:{minute}"))
        again = asked.write(reply(), when(f"09:{minute}:30"), CUSTOMER)
    assert "Next response (cycle 2) promised within 60 business minutes" in again.summary


def test_documents_and_lists_are_told_shortly() -> None:
    opened = book()
    changed = opened.write(
        ChangeTicket(tags=("vpn", "urgent"), fields={"a": 1}, description="Now it answers 500.", team_id=UUID(int=7)),
        when("09:10"),
        team_known=True,
        description="It answers 403.",
    )
    assert "Tags none → vpn, urgent" in changed.summary
    assert "Fields changed" in changed.summary
    assert "Description changed" in changed.summary
    assert "500" not in changed.summary


def test_a_macro_is_told_with_what_it_changed_and_why() -> None:
    one = book()
    change = ChangeTicket(priority=Priority.HIGH, reason="A board meeting")
    macro = ApplyMacro(template_id=UUID(int=1), name="Hurry", change=change, comment=reply(internal=True))
    story = one.write(macro, when("09:10"))
    assert story.summary == "Macro “Hurry” by Alex Agent (Priority MEDIUM → HIGH): A board meeting."
