"""A ticket's history, told for people: rows of decisions in, views out."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from pydantic.alias_generators import to_camel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.schemas.comments import UndeliveredView
from api.schemas.history import (
    CalendarEdit,
    Changed,
    ClockChangeView,
    ClockTarget,
    FieldChange,
    FiringView,
    HistoryView,
    PromiseEnd,
    ProposalView,
)
from api.shown_tickets import undelivered_views
from db.tickets.history import edits_of, names_of, told_on
from db.undelivered import list_undelivered
from domain.identity import Actor
from domain.sla.clocks import Clock
from domain.tickets.clock_story import ClockChange, Edit
from domain.tickets.story import Known, Recorded, Story, addressed, kept, reason_of, rung, tell

Row = Mapping[str, Any]

NAMED: Final = ("assignee_id", "team_id")
"""Fields that hold the id of a person or a team."""


async def told(session: AsyncConnection, ticket_id: UUID, rows: Sequence[Row]) -> dict[int, HistoryView]:
    """The decisions of a page by their revision."""
    recorded = {row["revision"]: read(row) for row in rows}
    known = await look_up(session, ticket_id, list(recorded.values()))
    lost = await list_undelivered(session, ticket_id)
    return {
        row["revision"]: view(
            row,
            tell(recorded[row["revision"]], known),
            undelivered_views(each for each in lost if each["revision"] == row["revision"]),
        )
        for row in rows
    }


def read(row: Row) -> Recorded:
    """A row as the domain tells it."""
    actor = Actor.model_validate(row["actor"])
    return Recorded(
        command=row["command"],
        actor=actor.name,
        staff=actor.staff,
        decided_at=row["decided_at"],
        changes=row["changes"],
        before=[Clock.model_validate(clock) for clock in row["before"] or ()],
        previous=row["previous"],
    )


async def look_up(session: AsyncConnection, ticket_id: UUID, recorded: Sequence[Recorded]) -> Known:
    """The names of all that a page of decisions names by ids."""
    calendars = {UUID(clock["target"]["calendar_id"]) for row in recorded for clock in kept(row, "clocks")}
    told_whom = await told_on(
        session, ticket_id, {rung(firing) for row in recorded for firing in kept(row, "escalations")}
    )
    changed = (row.changes[name] for row in recorded for name in NAMED if name in row.changes)
    ids = {UUID(value) for change in changed for value in (change["before"], change["after"]) if value}
    ids |= {UUID(row.command["into_id"]) for row in recorded if row.command["type"] == "merge"}
    ids |= {found for notices in told_whom.values() for _, whom in notices if (found := addressed(whom))}
    edits = [
        Edit(row["id"], row["name"], row["version"], row["updated_at"], row["editor"])
        for row in await edits_of(session, calendars)
    ]
    return Known(await names_of(session, ids), edits, told_whom)


def view(row: Row, story: Story, undelivered: list[UndeliveredView]) -> HistoryView:
    """A decision as its readers see it."""
    changes: dict[str, Changed] = {to_camel(name): FieldChange(**change) for name, change in story.fields.items()}
    lists: dict[str, Changed] = {
        "clocks": [clock_view(change) for change in story.clocks],
        "escalations": [FiringView.model_validate(firing) for firing in story.escalations],
        "credits": [ProposalView.model_validate(credit) for credit in story.credits],
        "promises": [PromiseEnd(kind=kind, cycle=cycle, state=state) for kind, cycle, state in story.promises],
    }
    return HistoryView(
        revision=row["revision"],
        command=story.did,
        actor=row["actor"],
        at=row["at"],
        decided_at=row["decided_at"],
        summary=story.summary,
        changes=changes | {name: entries for name, entries in lists.items() if entries},
        reason=reason_of(row["command"]),
        undelivered=undelivered,
    )


def clock_view(change: ClockChange) -> ClockChangeView:
    """What happened to a clock."""
    clock, edit = change.after, change.edited
    return ClockChangeView(
        kind=clock.kind,
        cycle=clock.cycle,
        before=change.before.state if change.before else None,
        after=clock.state,
        cause=change.why,
        deadline_at=clock.deadline_at,
        deadline_before=change.before.deadline_at if change.before else None,
        met_at=clock.met_at,
        breached_at=clock.breached_at,
        target=ClockTarget(
            minutes=clock.target.minutes,
            calendar=change.calendar,
            calendar_id=clock.target.calendar_id,
            definition_id=clock.target.definition_id,
            definition_version=clock.target.version,
        ),
        calendar_edit=CalendarEdit(
            id=edit.calendar_id, name=edit.name, version=edit.version, at=edit.at, editor=edit.editor
        )
        if edit
        else None,
    )
