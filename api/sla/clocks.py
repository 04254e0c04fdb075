"""A ticket's clocks over HTTP: explained minute by minute, and paused, resumed or waived by hand."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.auth import Caller
from api.dependencies import App, IdempotencyKey, Lead, Principal, Session
from api.errors import refusals
from api.policies import Policies
from api.responses import reply
from api.routing import Area
from api.schemas.sla.clocks import Adjustment, ClockSegmentView, ClocksView, ClockView, DeedView
from api.tickets import TicketId, found
from db.engine import tenant_transaction
from db.sla.clocks import clocks_of, deeds_on, home_zone, is_merged
from db.tickets.reads import find_ticket
from domain.process import KeyReused, NotFound
from domain.sla.clocks import Clock, ClockKind, Timetables
from domain.sla.deeds import Deed, deeds_of, why_held
from domain.sla.explain import explain
from domain.sla.policy import SlaPolicy
from domain.tickets.clocks import ClockStands, NoClock
from domain.tickets.commands import ClockAction
from domain.tickets.lifecycle import TicketFinal
from runtime.holidays import holidays_or_none

router = Area(prefix="/api/tickets/{ticket_id}/sla", tags=["SLA"])

REFUSALS = refusals(NotFound, NoClock, ClockStands, TicketFinal, KeyReused)


@router.get("", response_model=ClocksView, responses=refusals(NotFound))
async def get_clocks(ticket_id: TicketId, caller: Principal, app: App, session: Session) -> Response:
    """What is promised for a ticket, and how each clock has come to stand where it does."""
    found(await find_ticket(session, caller.actor, ticket_id))
    return reply(await explained(session, app.policies, caller, ticket_id))


@router.post("/{kind}/pause", response_model=ClocksView, responses=REFUSALS)
async def pause_clock(
    ticket_id: TicketId, kind: ClockKind, body: Adjustment, lead: Lead, app: App, key: IdempotencyKey = None
) -> Response:
    """Hold a clock by hand, until it is resumed by hand."""
    await app.desk.adjust(ticket_id, kind, ClockAction.PAUSE, body, lead, key)
    return await anew(app, lead, ticket_id)


@router.post("/{kind}/resume", response_model=ClocksView, responses=REFUSALS)
async def resume_clock(
    ticket_id: TicketId, kind: ClockKind, body: Adjustment, lead: Lead, app: App, key: IdempotencyKey = None
) -> Response:
    """End a pause made by hand; one that waits for the customer stays."""
    await app.desk.adjust(ticket_id, kind, ClockAction.RESUME, body, lead, key)
    return await anew(app, lead, ticket_id)


@router.post("/{kind}/waive", response_model=ClocksView, responses=REFUSALS)
async def waive_clock(
    ticket_id: TicketId, kind: ClockKind, body: Adjustment, lead: Lead, app: App, key: IdempotencyKey = None
) -> Response:
    """Give a promise up before it is broken; for one that is broken already, the answer names the breach to waive."""
    await app.desk.adjust(ticket_id, kind, ClockAction.WAIVE, body, lead, key)
    return await anew(app, lead, ticket_id)


async def anew(app: App, lead: Caller, ticket_id: UUID) -> Response:
    """The clocks after a decision, in a transaction that sees it."""
    async with tenant_transaction(app.engine, lead.tenant_id) as session:
        return reply(await explained(session, app.policies, lead, ticket_id))


async def explained(session: AsyncConnection, policies: Policies, reader: Caller, ticket_id: UUID) -> ClocksView:
    """Every clock of a ticket as it stands now. Why somebody adjusted it is the desk's own."""
    policy = await policies.of(session, reader.tenant_id)
    home, merged = await home_zone(session, ticket_id), await is_merged(session, ticket_id)
    clocks = await clocks_of(session, ticket_id)
    deeds = await deeds_on(session, ticket_id) if reader.actor.staff else []
    tables, now = policy.timetables(home, holidays_or_none), datetime.now(UTC)
    return ClocksView(
        clocks=[
            view(clock, policy, tables, home, deeds_of(clock, clocks, deeds), now, merged=merged) for clock in clocks
        ]
    )


def view(
    clock: Clock,
    policy: SlaPolicy,
    tables: Timetables,
    home: str,
    deeds: Sequence[Deed],
    now: datetime,
    *,
    merged: bool,
) -> ClockView:
    """One clock with its explanation, and what was done to it by hand."""
    calendar = policy.calendar(clock.target.calendar_id)
    name = calendar.name if calendar else str(clock.target.calendar_id)
    told = explain(clock, tables, name, now, merged=merged)
    same = {each: getattr(clock, each) for each in ClockView.model_fields if hasattr(clock, each)}
    return ClockView(
        **same,
        target_minutes=clock.target.minutes,
        definition_id=clock.target.definition_id,
        definition_version=clock.target.version,
        calendar=name,
        calendar_id=clock.target.calendar_id,
        time_zone=(calendar.time_zone if calendar else None) or home,
        started_outside_hours=told.started_outside_hours,
        elapsed_seconds=told.elapsed.total_seconds(),
        remaining_seconds=told.remaining.total_seconds(),
        segments=[
            ClockSegmentView(**each._asdict(), seconds=each.seconds, reason=why_held(each, deeds))
            for each in told.segments
        ],
        adjustments=[DeedView(action=deed.action, at=deed.at, actor=deed.actor, reason=deed.reason) for deed in deeds],
        explanation=told.text,
    )
