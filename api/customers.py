"""Customer accounts over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from api.auth import Caller
from api.constraints import DomainTaken, UnknownReference
from api.dependencies import IfMatch, Lead, PageQuery, Principal, Session
from api.errors import refusals
from api.paging import Page
from api.records import Once, fresh, new_id, refuse_unknown
from api.responses import reply
from api.routing import Area
from api.schemas.common import SearchText
from api.schemas.customers import AccountView, ChangeAccount, CreateAccount
from api.sla.reapplication import recount
from db import customers
from db.customers import Row
from domain.customers import FeeNotInCurrency, Tier, fee
from domain.process import KeyReused, NotFound

router = Area(prefix="/api/customers/accounts", tags=["Customers"])

NO_ACCOUNT = UUID(int=0)
"""What a customer without an account sees: nothing."""


@router.post(
    "",
    status_code=201,
    response_model=AccountView,
    responses=refusals(DomainTaken, UnknownReference, FeeNotInCurrency, KeyReused),
)
async def create_account(body: CreateAccount, lead: Lead, session: Session, once: Once) -> Response:
    """Add an account. People whose addresses lie in its domains belong to it."""
    await refuse_unknown(session, {("/csmId", "colleague"): body.csm_id, ("/tamId", "colleague"): body.tam_id})
    values = body.model_dump(exclude={"tenant_id", "domains"})
    values |= {"id": new_id(), "monthly_fee": fee(body.monthly_fee, body.currency)}
    await customers.add_account(session, values, body.domains)
    view = shown(await customers.find_account(session, values["id"]))
    return await once.reply(view, version=view.version, location=f"{router.prefix}/{view.id}")


@router.get("", response_model=Page[AccountView])
async def list_accounts(
    caller: Principal,
    session: Session,
    page: PageQuery,
    q: Annotated[SearchText | None, Query(description="Part of a name.")] = None,
    tier: Annotated[list[Tier] | None, Query()] = None,
) -> Response:
    """The accounts of this tenant, the newest first; a customer sees the own one."""
    own = own_account(caller)
    rows = await customers.list_accounts(session, count=page.count, after=page.after_newest(), q=q, tiers=tier, own=own)
    return reply(page.page(rows, shown))


@router.get("/{account_id}", response_model=AccountView)
async def get_account(account_id: UUID, caller: Principal, session: Session) -> Response:
    """One account; a customer sees the own one."""
    visible = account_id if own_account(caller) in (None, account_id) else NO_ACCOUNT
    view = shown(await customers.find_account(session, visible))
    return reply(view, version=view.version)


@router.patch(
    "/{account_id}", response_model=AccountView, responses=refusals(DomainTaken, UnknownReference, FeeNotInCurrency)
)
async def change_account(
    account_id: UUID, body: ChangeAccount, lead: Lead, session: Session, accepted: IfMatch
) -> Response:
    """Change an account; tickets that are open keep their tier, and follow its time zone."""
    before = existing(await customers.find_account(session, account_id, lock=True))
    fresh(before["version"], accepted)
    await refuse_unknown(session, {("/csmId", "colleague"): body.csm_id, ("/tamId", "colleague"): body.tam_id})
    changes = body.model_dump(exclude_unset=True)
    after = {**before, **changes}
    fee(after["monthly_fee"], after["currency"])
    await customers.change_account(session, before, changes)
    if after["time_zone"] != before["time_zone"]:
        await recount(session, lead.actor, account=account_id)
    view = shown(await customers.find_account(session, account_id))
    return reply(view, version=view.version)


def own_account(caller: Caller) -> UUID | None:
    """The only account that the caller may see; None for the desk, which sees all."""
    return None if caller.actor.staff else caller.actor.account_id or NO_ACCOUNT


def existing(row: Row | None) -> Row:
    """An account that exists. Raises NotFound."""
    if row is None:
        raise NotFound("There is no such account.")
    return row


def shown(row: Row | None) -> AccountView:
    """An account to show, its fee with the decimals of its currency. Raises NotFound."""
    account = existing(row)
    return AccountView.model_validate({**account, "monthly_fee": fee(account["monthly_fee"], account["currency"])})
