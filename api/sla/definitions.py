"""Definitions over HTTP: one per tier, severity and kind, each change a version that tickets opened from then on are held to."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from api import jobs
from api.constraints import UnknownReference
from api.dependencies import Agent, IfMatch, Lead, PageQuery, Session
from api.errors import refusals
from api.paging import Page
from api.records import Once, fresh, new_id
from api.responses import reply
from api.routing import Area
from api.schemas.jobs import JobView
from api.schemas.sla.definitions import CreateDefinition, CreditBody, DefinitionView, ReplaceDefinition
from api.sla.reapplication import REAPPLY
from api.sla.versions import InForce, versions_page
from db.sla.definitions import DEFINITIONS, calendar_in_force, find_promise, ladder
from db.versions import Row, lock_policy
from domain.customers import Tier
from domain.process import KeyReused, NotFound
from domain.sla.calendars import DAYS
from domain.sla.clocks import ClockKind
from domain.sla.definitions import Inversion, OtherPromise, Rung, inversions
from domain.tickets.model import Severity

router = Area(prefix="/api/sla/definitions", tags=["SLA"])


@router.post("", status_code=201, response_model=DefinitionView, responses=refusals(UnknownReference, KeyReused))
async def create_sla_definition(body: CreateDefinition, lead: Lead, session: Session, once: Once) -> Response:
    """Promise something. Where there is a definition for the tier, severity and kind, also one that has ended, this is its next version."""
    await lock_policy(session)
    await refuse_unusable(session, body.calendar_id)
    before = await find_promise(session, body.tier, body.severity, body.kind)
    definition_id = before["id"] if before else new_id()
    if before:
        await DEFINITIONS.change(session, before, {**written(body), "active": True}, lead.id)
    else:
        promise = body.model_dump(include={"tier", "severity", "kind"})
        await DEFINITIONS.add(session, {"id": definition_id, **promise, **written(body)}, lead.id)
    view = await current(session, definition_id)
    return await once.reply(view, version=view.version, location=f"{router.prefix}/{view.id}")


@router.get("", response_model=Page[DefinitionView])
async def list_sla_definitions(
    agent: Agent,
    session: Session,
    page: PageQuery,
    tier: Annotated[list[Tier] | None, Query()] = None,
    severity: Annotated[list[Severity] | None, Query()] = None,
    kind: Annotated[list[ClockKind] | None, Query()] = None,
    active: InForce = True,
) -> Response:
    """The definitions of this tenant, the newest first."""
    rows = await DEFINITIONS.page(
        session,
        count=page.count,
        after=page.after_newest(),
        active=active,
        tier=tier,
        severity=severity,
        kind=kind,
    )
    return reply(page.page(rows, compared(await ladder(session))))


@router.get("/{definition_id}", response_model=DefinitionView)
async def get_sla_definition(definition_id: UUID, agent: Agent, session: Session) -> Response:
    """One definition, also one that has ended."""
    view = await current(session, definition_id)
    return reply(view, version=view.version)


@router.put("/{definition_id}", response_model=DefinitionView, responses=refusals(UnknownReference, OtherPromise))
async def replace_sla_definition(
    definition_id: UUID, body: ReplaceDefinition, lead: Lead, session: Session, accepted: IfMatch
) -> Response:
    """Write a definition's next version, in force again if it had ended. Tickets that are open keep the version that they have."""
    await lock_policy(session)
    before = existing(await DEFINITIONS.find(session, definition_id, lock=True))
    fresh(before["version"], accepted)
    promise = body.model_dump(include={"tier", "severity", "kind"}, exclude_unset=True)
    moved = [name for name, value in promise.items() if before[name] != value]
    if moved:
        raise OtherPromise(moved)
    await refuse_unusable(session, body.calendar_id)
    await DEFINITIONS.change(session, before, {**written(body), "active": True}, lead.id)
    view = await current(session, definition_id)
    return reply(view, version=view.version)


@router.delete("/{definition_id}", status_code=204, response_class=Response)
async def end_sla_definition(definition_id: UUID, lead: Lead, session: Session, accepted: IfMatch) -> Response:
    """Promise nothing from now on. Tickets that are open keep what was promised to them."""
    await lock_policy(session)
    before = existing(await DEFINITIONS.find(session, definition_id, lock=True))
    fresh(before["version"], accepted)
    await DEFINITIONS.end(session, before, lead.id)
    return Response(status_code=204)


@router.post("/{definition_id}/reapply", status_code=202, response_model=JobView, responses=refusals(KeyReused))
async def reapply_sla_definition(definition_id: UUID, lead: Lead, session: Session, once: Once) -> Response:
    """Bring a definition's version of today to the tickets that are open; elapsed time is carried over, and a promise that has
    ended is cancelled. The job tells how far it has come."""
    row = existing(await DEFINITIONS.find(session, definition_id))
    promise = {name: row[name] for name in ("version", "tier", "severity", "kind")}
    return await jobs.accept(once, REAPPLY, {"definition": str(definition_id), **promise}, lead)


@router.get("/{definition_id}/versions", response_model=Page[DefinitionView])
async def list_sla_definition_versions(
    definition_id: UUID, agent: Agent, session: Session, page: PageQuery
) -> Response:
    """Every version of a definition, the newest first, without warnings."""
    existing(await DEFINITIONS.find(session, definition_id))
    return reply(await versions_page(DEFINITIONS, session, definition_id, page, DefinitionView.model_validate))


async def refuse_unusable(session: Session, calendar_id: UUID) -> None:
    """Refuse a calendar that does not exist or has ended. Raises UnknownReference."""
    if not await calendar_in_force(session, calendar_id):
        raise UnknownReference("/calendarId")


def written(body: CreateDefinition | ReplaceDefinition) -> dict[str, Any]:
    """The columns that a version sets."""
    credit = stored(body.credit) if body.credit else None
    return {"target_minutes": body.target_minutes, "calendar_id": body.calendar_id, "credit": credit}


def stored(credit: CreditBody) -> dict[str, Any]:
    """A credit rule as it is kept; equal ones are spelt equally."""
    steps = [{"overrun_minutes": step.overrun_minutes, "percent": plain(step.percent)} for step in credit.steps]
    return {"steps": steps, "cap_percent": plain(credit.cap_percent)}


def plain(percent: Decimal) -> str:
    """The shortest spelling of a percentage."""
    return format(percent.normalize(), "f")


def existing(row: Row | None) -> Row:
    """A definition that exists. Raises NotFound."""
    if row is None:
        raise NotFound("There is no such definition.")
    return row


async def current(session: Session, definition_id: UUID) -> DefinitionView:
    """The current version of a definition, compared with those of the other tiers. Raises NotFound."""
    row = existing(await DEFINITIONS.find(session, definition_id))
    return compared(await ladder(session))(row)


def compared(steps: Sequence[Row]) -> Callable[[Row], DefinitionView]:
    """How to show a definition among all those that are in force."""
    ladders: dict[tuple[str, str], list[Rung]] = {}
    for row in steps:
        rung = Rung(Tier(row["tier"]), row["target_minutes"], hours(row["week"]))
        ladders.setdefault((row["severity"], row["kind"]), []).append(rung)

    def view(row: Row) -> DefinitionView:
        found = inversions(Tier(row["tier"]), ladders.get((row["severity"], row["kind"]), [])) if row["active"] else ()
        return DefinitionView.model_validate({**row, "warnings": [warning(each) for each in found]})

    return view


def hours(week: Mapping[str, Sequence[Sequence[str]]]) -> tuple[tuple[tuple[str, str], ...], ...]:
    """The hours of a stored week, Monday first."""
    return tuple(tuple((opens, closes) for opens, closes in week.get(day, ())) for day in DAYS)


def warning(found: Inversion) -> str:
    """What is odd about two tiers."""
    if found.wait is None:
        return f"{found.higher} is promised nothing here, and {found.lower} is."
    return (
        f"{found.higher} waits {spoken(found.wait)} on average and {found.lower} only {spoken(found.shorter)}: "
        "the higher tier is served worse."
    )


def spoken(span: timedelta) -> str:
    """A span in hours and minutes."""
    whole_hours, minutes = divmod(round(span.total_seconds() / 60), 60)
    return f"{whole_hours} h {minutes} min"
