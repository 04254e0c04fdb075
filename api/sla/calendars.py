"""Business calendars over HTTP: each change is a version, and open clocks follow it."""

from typing import Any
from uuid import UUID

from starlette.responses import Response

from api.constraints import NameTaken
from api.dependencies import Agent, IfMatch, Lead, PageQuery, Session
from api.errors import refusals
from api.paging import Page
from api.records import Once, fresh, new_id
from api.responses import reply
from api.routing import Area
from api.schemas.sla.calendars import CalendarView, CreateCalendar, ReplaceCalendar
from api.sla.reapplication import recount
from api.sla.versions import InForce, versions_page
from db.sla.calendars import CALENDARS, definitions_on
from db.versions import Row, lock_policy
from domain.process import KeyReused, NotFound
from domain.sla.calendars import CalendarInUse

router = Area(prefix="/api/sla/calendars", tags=["SLA"])


@router.post("", status_code=201, response_model=CalendarView, responses=refusals(NameTaken, KeyReused))
async def create_sla_calendar(body: CreateCalendar, lead: Lead, session: Session, once: Once) -> Response:
    """Add a calendar, for definitions to name."""
    await lock_policy(session)
    values = {"id": new_id(), **written(body)}
    await CALENDARS.add(session, values, lead.id)
    view = shown(await CALENDARS.find(session, values["id"]))
    return await once.reply(view, version=view.version, location=f"{router.prefix}/{view.id}")


@router.get("", response_model=Page[CalendarView])
async def list_sla_calendars(agent: Agent, session: Session, page: PageQuery, active: InForce = True) -> Response:
    """The calendars of this tenant, the newest first."""
    rows = await CALENDARS.page(session, count=page.count, after=page.after_newest(), active=active)
    return reply(page.page(rows, shown))


@router.get("/{calendar_id}", response_model=CalendarView)
async def get_sla_calendar(calendar_id: UUID, agent: Agent, session: Session) -> Response:
    """One calendar, also one that has ended."""
    view = shown(await CALENDARS.find(session, calendar_id))
    return reply(view, version=view.version)


@router.put("/{calendar_id}", response_model=CalendarView, responses=refusals(NameTaken))
async def replace_sla_calendar(
    calendar_id: UUID, body: ReplaceCalendar, lead: Lead, session: Session, accepted: IfMatch
) -> Response:
    """Write a calendar's next version, in force again if it had ended; a job (`RECOUNT`) counts the open clocks anew by it."""
    await lock_policy(session)
    before = existing(await CALENDARS.find(session, calendar_id, lock=True))
    fresh(before["version"], accepted)
    if await CALENDARS.change(session, before, {**written(body), "active": True}, lead.id):
        await recount(session, lead.actor, calendar=calendar_id)
    view = shown(await CALENDARS.find(session, calendar_id))
    return reply(view, version=view.version)


@router.delete("/{calendar_id}", status_code=204, response_class=Response, responses=refusals(CalendarInUse))
async def end_sla_calendar(calendar_id: UUID, lead: Lead, session: Session, accepted: IfMatch) -> Response:
    """End a calendar that no definition in force names. Its versions stay, and clocks that are open keep counting by it."""
    await lock_policy(session)
    before = existing(await CALENDARS.find(session, calendar_id, lock=True))
    fresh(before["version"], accepted)
    definitions = await definitions_on(session, calendar_id)
    if definitions:
        raise CalendarInUse(definitions)
    await CALENDARS.end(session, before, lead.id)
    return Response(status_code=204)


@router.get("/{calendar_id}/versions", response_model=Page[CalendarView])
async def list_sla_calendar_versions(calendar_id: UUID, agent: Agent, session: Session, page: PageQuery) -> Response:
    """Every version of a calendar, the newest first."""
    existing(await CALENDARS.find(session, calendar_id))
    return reply(await versions_page(CALENDARS, session, calendar_id, page, shown))


def written(body: ReplaceCalendar) -> dict[str, Any]:
    """The columns that a body sets."""
    week = body.week.model_dump(mode="json", exclude_unset=True)
    holidays = [holiday.model_dump(mode="json") for holiday in body.holidays]
    return {**body.model_dump(include={"name", "time_zone", "country"}), "week": week, "holidays": holidays}


def existing(row: Row | None) -> Row:
    """A calendar that exists. Raises NotFound."""
    if row is None:
        raise NotFound("There is no such calendar.")
    return row


def shown(row: Row | None) -> CalendarView:
    """A calendar to show. Raises NotFound."""
    return CalendarView.model_validate(existing(row))
