"""Who I am, and the people and teams of a tenant."""

from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Form, Query, Request
from starlette.responses import Response

from api.auth import Caller
from api.constraints import AccountOfStaff, EmailTaken, UnknownReference
from api.dependencies import Admin, AfterCommit, Agent, App, IfMatch, PageQuery, Principal, RoleTooLow, Session, address
from api.errors import problem_response, refusals
from api.login import sign_in
from api.notifications import preferences_view
from api.paging import Page
from api.passwords import invite
from api.records import Once, fresh, new_id, refuse_unknown
from api.responses import reply
from api.routing import Area
from api.schemas.common import SearchText
from api.schemas.identity import (
    Availability,
    ChangeUser,
    CreateTeam,
    CreateUser,
    LoginForm,
    Me,
    TeamView,
    Token,
    UserView,
)
from db import identity, passwords
from db.routing import queue_drains
from domain.identity import Role
from domain.keys import EVERYTHING
from domain.notifications.preferences import read_preferences
from domain.people import BeyondScopes, LastAdministrator, OwnAccess, may_change, within_scopes
from domain.process import KeyReused, NotFound

router = Area(tags=["Identity"])

ROOM: Final = frozenset({"available", "capacity", "skills", "active", "role", "team_ids"})
"""What decides who can take tickets from a queue."""


@router.post(
    "/api/auth/token", response_model=Token, responses={401: problem_response("The address or the password is wrong.")}
)
async def create_token(
    request: Request,
    form: Annotated[LoginForm, Form()],
    app: App,
    tenant: Annotated[str | None, Query(max_length=63)] = None,
) -> Response:
    """Sign in with address and password (OAuth 2 password grant)."""
    await app.limits.login(address(request))
    return reply(await sign_in(app, form, tenant))


@router.get("/api/me", response_model=Me)
async def get_me(caller: Principal) -> Response:
    """The caller."""
    return reply(
        Me(
            id=caller.id,
            kind="API_KEY" if caller.is_key else "USER",
            name=caller.actor.name,
            email=caller.actor.email or None,
            role=caller.role,
            tenant_id=caller.tenant_id,
            account_id=caller.actor.account_id,
            scopes=shown_scopes(caller),
            time_zone=caller.time_zone,
            preferences=preferences_view(read_preferences(caller.preferences)),
        )
    )


@router.put("/api/me/availability", response_model=Availability)
async def change_availability(body: Availability, agent: Agent, session: Session) -> Response:
    """Say whether one takes tickets from the queues of one's teams; whoever comes back gets the oldest that wait."""
    await identity.change_user(session, agent.id, {"available": body.available}, None)
    if body.available:
        await queue_drains(session, agent.tenant_id, agent.actor.model_dump_json(), agent=agent.id)
    return reply(body)


@router.post(
    "/api/users",
    status_code=201,
    response_model=UserView,
    responses=refusals(EmailTaken, AccountOfStaff, UnknownReference, BeyondScopes, KeyReused),
)
async def create_user(body: CreateUser, admin: Admin, app: App, session: Session, once: Once) -> Response:
    """Add a person. Without a password a mail invites the user to choose one, within 7 days."""
    within_scopes(admin.scopes is not None, body.role)
    user_id = new_id()
    await refuse_unknown(session, {("/accountId", "account"): body.account_id, ("/teamIds", "team"): body.team_ids})
    values = {"id": user_id, **await written(app, body)}
    await identity.add_user(session, values, body.team_ids)
    if body.password is None:
        await invite(session, user_id)
    view = await user_view(session, user_id)
    return await once.reply(view, version=view.version, location=f"/api/users/{user_id}")


@router.get("/api/users", response_model=Page[UserView])
async def list_users(
    agent: Agent,
    session: Session,
    page: PageQuery,
    q: Annotated[SearchText | None, Query(description="Part of a name or an address.")] = None,
    role: Annotated[list[Role] | None, Query()] = None,
    active: bool | None = None,
) -> Response:
    """The people of this tenant, the newest first."""
    rows = await identity.list_users(
        session, count=page.count, after=page.after_newest(), q=q, roles=role, active=active
    )
    return reply(page.page(rows, UserView.model_validate))


@router.get("/api/users/{user_id}", response_model=UserView)
async def get_user(user_id: UUID, agent: Agent, session: Session) -> Response:
    """One person."""
    view = await user_view(session, user_id)
    return reply(view, version=view.version)


@router.patch(
    "/api/users/{user_id}",
    response_model=UserView,
    responses=refusals(EmailTaken, AccountOfStaff, UnknownReference, BeyondScopes, OwnAccess, LastAdministrator),
)
async def change_user(
    user_id: UUID, body: ChangeUser, admin: Admin, app: App, session: Session, accepted: IfMatch, then: AfterCommit
) -> Response:
    """Change a person. Role, activity and a new password, which ends the tokens of before, take effect within five seconds everywhere.

    A new address or password ends the links that were mailed before; who has not chosen a password yet is invited anew.
    """
    admins = await identity.lock_admins(session) if body.model_fields_set & {"role", "active"} else {admin.id}
    if not admin.is_key and admin.id not in admins:
        raise RoleTooLow(Role.ADMIN)
    before = found(await identity.lock_user(session, user_id))
    within_scopes(admin.scopes is not None, Role(before["role"]), *([body.role] if body.role else []))
    fresh(before["version"], accepted)
    await refuse_unknown(session, {("/accountId", "account"): body.account_id, ("/teamIds", "team"): body.team_ids})
    values = await written(app, body)
    may_change(admin.id, user_id, values, admins)
    teams = body.team_ids if "team_ids" in body.model_fields_set else None
    await identity.change_user(session, user_id, values, teams)
    view = await user_view(session, user_id)
    await renew_links(session, before, view, password_set=body.password is not None)
    if body.model_fields_set & ROOM:
        await queue_drains(session, admin.tenant_id, admin.actor.model_dump_json(), agent=user_id)
    then.append(partial(app.directory.forget, admin.tenant_id, user_id))
    return reply(view, version=view.version)


@router.post("/api/teams", status_code=201, response_model=TeamView, responses=refusals(UnknownReference, KeyReused))
async def create_team(body: CreateTeam, admin: Admin, session: Session, once: Once) -> Response:
    """Add a team."""
    team_id = new_id()
    await refuse_unknown(
        session, {("/leadId", "colleague"): body.lead_id, ("/memberIds", "colleague"): body.member_ids}
    )
    values = {"id": team_id, "name": body.name, "lead_id": body.lead_id}
    await identity.add_team(session, values, body.member_ids)
    view = await team_view(session, team_id)
    return await once.reply(view, version=view.version, location=f"/api/teams/{team_id}")


@router.get("/api/teams", response_model=Page[TeamView])
async def list_teams(
    agent: Agent,
    session: Session,
    page: PageQuery,
    q: Annotated[SearchText | None, Query(description="Part of a name.")] = None,
) -> Response:
    """The teams of this tenant, the newest first."""
    rows = await identity.list_teams(session, count=page.count, after=page.after_newest(), q=q)
    return reply(page.page(rows, TeamView.model_validate))


@router.get("/api/teams/{team_id}", response_model=TeamView)
async def get_team(team_id: UUID, agent: Agent, session: Session) -> Response:
    """One team."""
    view = await team_view(session, team_id)
    return reply(view, version=view.version)


def shown_scopes(caller: Caller) -> list[str] | None:
    """What an API key is confined to; None for people."""
    if not caller.is_key:
        return None
    return [EVERYTHING] if caller.scopes is None else sorted(caller.scopes)


async def written(app: App, body: CreateUser | ChangeUser) -> dict[str, Any]:
    """The columns that a body sets."""
    sent = body.model_fields_set if isinstance(body, ChangeUser) else type(body).model_fields.keys()
    values = {name: getattr(body, name) for name in sent if name not in ("tenant_id", "team_ids", "password")}
    if body.password is not None:
        values["password_hash"] = await app.passwords.hash(body.password.get_secret_value())
    return values


async def renew_links(session: Session, before: identity.Row, user: UserView, *, password_set: bool) -> None:
    """End the links to an address that has changed, or for a password that has been set; invite who still has none."""
    moved = user.email.lower() != before["email"].lower()
    if moved or password_set:
        await passwords.end_tokens(session, user.id)
    if moved and user.active and before["pending"] and not password_set:
        await invite(session, user.id)


def found(row: identity.Row | None) -> identity.Row:
    """A user that exists. Raises NotFound."""
    if row is None:
        raise NotFound("There is no such user.")
    return row


async def user_view(session: Session, user_id: UUID) -> UserView:
    """A user to show. Raises NotFound."""
    return UserView.model_validate(found(await identity.find_user(session, user_id)))


async def team_view(session: Session, team_id: UUID) -> TeamView:
    """A team to show. Raises NotFound."""
    row = await identity.find_team(session, team_id)
    if row is None:
        raise NotFound("There is no such team.")
    return TeamView.model_validate(row)
