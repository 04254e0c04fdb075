"""Broken promises over HTTP: who missed what by how much, and what is done about it."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

import structlog
from fastapi import Query, Request
from sqlalchemy import RowMapping
from sqlalchemy.exc import SQLAlchemyError
from starlette.background import BackgroundTask
from starlette.responses import Response
from temporalio.service import RPCError

from api.auth import Caller
from api.dependencies import Agent, App, IfMatch, Lead, Session, page_of
from api.errors import refusals
from api.paging import BadCursor, Page
from api.processes import Processes
from api.records import Once, fresh, new_id
from api.responses import reply
from api.routing import Area
from api.schemas.breaches import Acknowledge, BreachQuery, BreachView, GrantCredit, Waive
from api.ticket_kind import TICKET
from db.breaches import BreachFilters, add_action, find_breach, list_breaches, lock_breach
from domain.customers import money
from domain.process import KeyReused, NotFound
from domain.sla.breaches import (
    AlreadyDone,
    BadCredit,
    BreachAction,
    BreachAnnulled,
    BreachCredited,
    BreachWaived,
    Done,
    NobodyToCredit,
    Purse,
    granted,
    may,
    overrun,
    proposed,
)
from domain.sla.compliance import BadPeriod, ordered
from domain.sla.policy import SlaPolicy
from runtime.holidays import holidays_or_none

log = structlog.get_logger(__name__)

router = Area(prefix="/api/sla/breaches", tags=["SLA"])

SORT: Final = "-breachedAt"
WHERE: Final = ({"parameter": "from"}, {"parameter": "to"})


@router.get("", response_model=Page[BreachView], responses=refusals(BadCursor, BadPeriod))
async def get_breaches(
    request: Request, query: Annotated[BreachQuery, Query()], agent: Agent, session: Session, app: App
) -> Response:
    """The tenant's broken promises, the latest first."""
    ordered(query.since, query.until, *WHERE)
    page = page_of(request, query.limit, query.cursor)
    seen = page.after(SORT)
    after = (datetime.fromisoformat(seen[0]), UUID(seen[1])) if seen else None
    rows = await list_breaches(session, filters(query), after, page.count)
    policy = await app.policies.of(session, agent.tenant_id)
    now = datetime.now(UTC)
    # Overruns of years on calendars of many windows take a while.
    return reply(await asyncio.to_thread(page.page, rows, lambda row: shown(row, policy, now), SORT, keys))


@router.get("/{breach_id}", response_model=BreachView)
async def get_breach(breach_id: UUID, agent: Agent, session: Session, app: App) -> Response:
    """One broken promise."""
    view = await standing(breach_id, agent, session, app)
    return reply(view, version=view.version)


@router.post("/{breach_id}/acknowledge", response_model=BreachView, responses=refusals(AlreadyDone, KeyReused))
async def acknowledge_breach(
    breach_id: UUID, body: Acknowledge, agent: Agent, session: Session, app: App, accepted: IfMatch, once: Once
) -> Response:
    """Take notice of a breach, once, and say why the promise was broken."""
    await act(session, breach_id, BreachAction.ACKNOWLEDGE, agent, accepted, reason=body.reason)
    return await answered(breach_id, agent, session, app, once)


@router.post(
    "/{breach_id}/waive",
    response_model=BreachView,
    responses=refusals(AlreadyDone, BreachAnnulled, BreachCredited, KeyReused),
)
async def waive_breach(
    breach_id: UUID, body: Waive, lead: Lead, session: Session, app: App, accepted: IfMatch, once: Once
) -> Response:
    """Say that a breach is not held against the desk; the metrics show both ways of counting."""
    await act(session, breach_id, BreachAction.WAIVE, lead, accepted, reason=body.reason)
    return await settled(breach_id, lead, session, app, once)


@router.post(
    "/{breach_id}/credit",
    response_model=BreachView,
    responses=refusals(AlreadyDone, BreachAnnulled, BreachWaived, NobodyToCredit, BadCredit, KeyReused),
)
async def credit_breach(
    breach_id: UUID, body: GrantCredit, lead: Lead, session: Session, app: App, accepted: IfMatch, once: Once
) -> Response:
    """Grant the customer a credit for a breach, once, and never more than the month's cap leaves."""
    row = existing(await lock_breach(session, breach_id, account=True))
    permitted(row, BreachAction.CREDIT, accepted)
    purse = purse_of(row, await app.policies.of(session, lead.tenant_id))
    if purse is None:
        raise NobodyToCredit
    amount = granted(body.amount, body.currency, purse)
    await write(
        session, breach_id, BreachAction.CREDIT, lead, reason=body.reason, amount=amount, currency=purse.currency
    )
    return await settled(breach_id, lead, session, app, once)


async def act(
    session: Session, breach_id: UUID, action: BreachAction, caller: Caller, accepted: IfMatch, *, reason: str | None
) -> None:
    """Do what needs no money."""
    permitted(existing(await lock_breach(session, breach_id, account=False)), action, accepted)
    await write(session, breach_id, action, caller, reason=reason)


def permitted(row: RowMapping, action: BreachAction, accepted: tuple[int, ...] | None) -> None:
    """Refuse what may not be done about a breach that stands as it does."""
    done = deeds_of(row)
    fresh(1 + len(done), accepted)
    may(action, done, annulled=row["annulled"], waived=row["waived"])


async def write(session: Session, breach_id: UUID, action: BreachAction, caller: Caller, **what: Any) -> None:
    """Write down what the caller did."""
    values = {"id": new_id(), "actor_id": caller.id, "actor_name": caller.actor.name, **what}
    await add_action(session, breach_id, action, values)


async def standing(breach_id: UUID, caller: Caller, session: Session, app: App) -> BreachView:
    """A breach as it stands."""
    policy = await app.policies.of(session, caller.tenant_id)
    return shown(existing(await find_breach(session, breach_id)), policy, datetime.now(UTC))


async def answered(breach_id: UUID, caller: Caller, session: Session, app: App, once: Once) -> Response:
    """The breach as it stands after an action."""
    view = await standing(breach_id, caller, session, app)
    return await once.reply(view, 200, version=view.version)


async def settled(breach_id: UUID, lead: Caller, session: Session, app: App, once: Once) -> Response:
    """The breach after an action that ends what the ticket owes for it; the ticket is told of it when it is committed."""
    view = await standing(breach_id, lead, session, app)
    response = await once.reply(view, 200, version=view.version)
    response.background = BackgroundTask(let_know, app.processes, view.ticket_id, lead.tenant_id)
    return response


async def let_know(processes: Processes, ticket: UUID, tenant: UUID) -> None:
    """Have the ticket decide what it now owes. Where that fails its next decision finds the action all the same."""
    try:
        await processes.wake(TICKET.name, ticket, tenant)
    except (RPCError, RuntimeError, SQLAlchemyError) as error:
        log.warning("ticket_not_told_of_action", ticket_id=str(ticket), error=repr(error))


def filters(query: BreachQuery) -> BreachFilters:
    """The query as the database takes it."""
    return BreachFilters(query.since, query.until, query.kind, query.ticket_id, query.account_id, query.acknowledged)


def keys(row: RowMapping) -> list[str | int | None]:
    """A breach's place in the list."""
    return [row["breached_at"].isoformat(), str(row["id"])]


def existing(row: RowMapping | None) -> RowMapping:
    """A breach that exists. Raises NotFound."""
    if row is None:
        raise NotFound("There is no such breach.")
    return row


def deeds_of(row: RowMapping) -> dict[BreachAction, Done]:
    """What was done about a breach."""
    done = [Done.model_validate(each) for each in row["deeds"]]
    return {each.action: each for each in done}


def purse_of(row: RowMapping, policy: SlaPolicy) -> Purse | None:
    """What the account's month allows for a breach beside what was given for others; None for a ticket without an account."""
    if row["currency"] is None:
        return None
    rule = policy.credit(row["definition_id"], row["definition_version"])
    own = deeds_of(row).get(BreachAction.CREDIT)
    given = row["given"] - (own.amount if own and own.amount and own.currency == row["currency"] else 0)
    return Purse(currency=row["currency"], fee=row["monthly_fee"], rule=rule, given=given)


def shown(row: RowMapping, policy: SlaPolicy, now: datetime) -> BreachView:
    """A breach to show."""
    done = deeds_of(row)
    acknowledged, waived = done.get(BreachAction.ACKNOWLEDGE), done.get(BreachAction.WAIVE)
    table = policy.timetables(row["time_zone"] or "UTC", holidays_or_none)[row["calendar_id"]]
    target = timedelta(minutes=row["target_minutes"])
    over = overrun(row["spent"], row["running_since"], target, table, now)
    excused = row["annulled"] or row["waived"] or waived is not None
    latest = (
        {**row["proposal"], "amount": Decimal(row["proposal"]["amount"])} if row["proposal"] and not excused else None
    )
    return BreachView.model_validate(
        {
            **{name: row[name] for name in FACTS},
            "ticket_number": f"SUP-{row['number']}",
            "overrun_seconds": over.total_seconds(),
            "created_at": row["detected_at"],
            "updated_at": max([row["detected_at"], *(each.at for each in done.values())]),
            "version": 1 + len(done),
            "acknowledged_by": person(acknowledged),
            "acknowledged_at": acknowledged and acknowledged.at,
            "reason": acknowledged and acknowledged.reason,
            "waived": row["waived"] or waived is not None,
            "waived_reason": waived and waived.reason,
            "proposed_credit": proposed(latest, purse_of(row, policy)),
            "credit": credited(done.get(BreachAction.CREDIT)),
        }
    )


FACTS: Final = (
    *(
        "id",
        "ticket_id",
        "account_id",
        "kind",
        "cycle",
        "deadline_at",
        "breached_at",
        "detected_at",
        "cause",
        "annulled",
    ),
)


def person(done: Done | None) -> Mapping[str, Any] | None:
    """Who did it."""
    return {"id": done.actor_id, "name": done.actor_name} if done else None


def credited(done: Done | None) -> Mapping[str, Any] | None:
    """What was credited."""
    if done is None or done.amount is None or done.currency is None:
        return None
    amount = money(done.amount, done.currency)
    return {"amount": amount, "currency": done.currency, "at": done.at, "by": person(done)}
