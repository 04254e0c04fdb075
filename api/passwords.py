"""Setting a password without the old one: by invitation, or because it was forgotten."""

import asyncio
import hashlib
import secrets
import time
from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import Query, Request
from pydantic import Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.dependencies import App, address
from api.errors import refusals
from api.records import new_id
from api.responses import reply
from api.routing import Area
from api.schemas.common import Body, Email, View
from api.schemas.identity import Password
from api.services import Services
from db import passwords
from db.engine import tenant_transaction
from db.notifications import post
from domain.process import Invalid

router = Area(prefix="/api/auth", tags=["Identity"])

INVITATION_LIFE: Final = timedelta(days=7)
RESET_LIFE: Final = timedelta(hours=1)
RESET_PAUSE: Final = timedelta(minutes=1)
"""Nobody's mailbox is filled by others who type in the address again and again."""

ANSWER_SECONDS: Final = 0.25
"""When a request for a reset is answered, so that time does not tell who is known."""


class UnusableToken(Invalid):
    """The token is unknown, used up or too old."""

    def __init__(self) -> None:
        error = {"pointer": "/token", "code": "unusable", "detail": "is unknown, used up or too old"}
        super().__init__("The link cannot be used any more; ask for a new one.", [error])


class ResetRequest(Body):
    """Whose password is to be set anew."""

    email: Email


class ResetAnswer(View):
    """The same for everybody."""

    detail: str = "If somebody has this address, a mail is on its way to it."


class NewPassword(Body):
    """A password, and the token of the mail that allows to set it."""

    token: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$", min_length=20, max_length=100)]
    password: Annotated[Password, Field(examples=["correct horse battery staple"])]


@router.post("/password-reset", status_code=202, response_model=ResetAnswer)
async def request_password_reset(
    request: Request,
    body: ResetRequest,
    app: App,
    tenant: Annotated[
        str | None, Query(max_length=63, description="The tenant's slug; else all that know them.")
    ] = None,
) -> Response:
    """Have a link sent that sets a new password once, within an hour. The answer does not tell whether the address is known."""
    await app.limits.login(address(request))
    began = time.monotonic()
    await send_resets(app, body.email, tenant)
    await asyncio.sleep(max(0.0, ANSWER_SECONDS - (time.monotonic() - began)))
    return reply(ResetAnswer(), 202)


@router.post("/password", status_code=204, response_class=Response, responses=refusals(UnusableToken))
async def set_password(request: Request, body: NewPassword, app: App) -> Response:
    """Set a password with the token of an invitation or a reset; it works once, and ends earlier ones."""
    await app.limits.login(address(request))
    digest = hashed(body.token)
    async with app.engine.begin() as connection:
        holder = await passwords.token_holder(connection, digest)
    if holder is None:
        raise UnusableToken
    password = await app.passwords.hash(body.password.get_secret_value())
    async with tenant_transaction(app.engine, holder["tenant_id"]) as connection:
        user = await passwords.use_token(connection, digest, password)
        if user is None:
            raise UnusableToken
    app.directory.forget(holder["tenant_id"], user)
    return Response(status_code=204)


async def send_resets(app: Services, email: str, tenant: str | None) -> None:
    """Post a mail to each active person with this address, in every tenant or in the one that is named."""
    async with app.engine.begin() as connection:
        found = await passwords.reset_candidates(connection, email)
    for row in found:
        if tenant is None or row["slug"] == tenant:
            async with tenant_transaction(app.engine, row["tenant_id"]) as connection:
                await send_token(connection, row["user_id"], "RESET", "password_reset", RESET_LIFE, RESET_PAUSE)


async def invite(connection: AsyncConnection, user: UUID) -> None:
    """Post a mail that lets a new person choose a password."""
    await send_token(connection, user, "INVITATION", "invitation", INVITATION_LIFE, timedelta())


async def send_token(
    connection: AsyncConnection, user: UUID, purpose: str, template: str, life: timedelta, pause: timedelta
) -> None:
    """Write a token's hash, and post the token itself, in one transaction; it leaves the outbox with the mail."""
    token = secrets.token_urlsafe(32)
    if await passwords.add_token(connection, user, purpose, hashed(token), life, pause):
        await post(connection, new_id(), template, user, {"token": token})


def hashed(token: str) -> str:
    """What the database keeps of a token. A plain hash does, because a token is 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()
