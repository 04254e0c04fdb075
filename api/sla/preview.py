"""Trying a calendar over HTTP before promises are counted on it. Nothing is written."""

import asyncio

from starlette.responses import Response

from api.auth import Caller
from api.constraints import UnknownReference
from api.dependencies import Agent, App
from api.errors import refusals
from api.responses import reply
from api.routing import Area
from api.schemas.sla.preview import Preview, PreviewView, SegmentView
from db.engine import tenant_transaction
from db.sla.calendars import CALENDARS
from domain.sla.calendars import Calendar
from domain.sla.preview import Pause, TooFar, preview
from domain.sla.timetable import OutOfReach, Timetable, no_holidays
from runtime.holidays import public_holidays

router = Area(prefix="/api/sla/preview", tags=["SLA"])


@router.post("", response_model=PreviewView, responses=refusals(UnknownReference, TooFar))
async def preview_sla(body: Preview, agent: Agent, app: App) -> Response:
    """When so many business minutes after an instant are up, and which stretches until then counted, were paused, or were closed."""
    calendar = await tried(body, app, agent)
    async with app.trials:
        return reply(await asyncio.to_thread(counted, calendar, body))


async def tried(body: Preview, app: App, caller: Caller) -> Calendar:
    """The calendar to count on, also one that has ended. Raises UnknownReference."""
    if body.calendar is not None:
        return body.calendar.calendar()
    # A transaction of its own: whoever waits for a turn to count must not have a connection that others wait for.
    async with tenant_transaction(app.engine, caller.tenant_id) as session:
        row = await CALENDARS.find(session, body.calendar_id) if body.calendar_id else None
    if row is None:
        raise UnknownReference("/calendarId")
    return Calendar.model_validate({name: row[name] for name in Calendar.model_fields})


def counted(calendar: Calendar, body: Preview) -> PreviewView:
    """The answer; a long target on a fragmented calendar takes a while. Raises TooFar."""
    public = public_holidays(calendar.country) if calendar.country else no_holidays
    table = Timetable(calendar, body.time_zone or "UTC", public)
    pauses = [Pause(pause.since, pause.until) for pause in body.pauses]
    try:
        trial = preview(table, body.target_minutes, body.started_at, pauses)
    except OutOfReach:
        raise TooFar from None
    shown = [SegmentView(since=s.since, until=s.until, state=s.state, seconds=s.seconds) for s in trial.segments]
    return PreviewView(deadline_at=trial.deadline_at, segments=shown, truncated=trial.truncated)
