"""Signing in with a password."""

from typing import Final
from uuid import UUID

from api.auth import mint
from api.errors import Unauthenticated
from api.schemas.identity import LoginForm, Token
from api.services import Services
from db.engine import tenant_transaction
from db.identity import Row, find_signing_in, login_candidates, rehash
from domain.identity import Role

WRONG: Final = "The address or the password is wrong."


async def sign_in(app: Services, form: LoginForm, tenant: str | None) -> Token:
    """A token for the user whose password this is. Raises Unauthenticated, and never says which part was wrong.

    An address may be known in several tenants: the default one comes first, unless `tenant` (a slug) names one.
    """
    async with app.engine.begin() as connection:
        rows = await login_candidates(connection, form.username.strip())
    candidates = [row for row in rows if tenant is None or row["slug"] == tenant]
    user = await matching(app, candidates, form.password)
    if user is None:
        app.metrics.logins.labels("refused").inc()
        raise Unauthenticated(WRONG, "invalid_grant")
    app.metrics.logins.labels("accepted").inc()
    row = await settle(app, user, form.password)
    token = mint(
        app.settings,
        tenant_id=user["tenant_id"],
        user_id=user["user_id"],
        role=Role(row["role"]),
        not_before=row["password_set_at"],
    )
    return Token(access_token=token, expires_in=app.settings.token_minutes * 60)


async def matching(app: Services, candidates: list[Row], password: str) -> Row | None:
    """The first candidate whose password it is; costs one comparison where there is no candidate too."""
    if not candidates:
        await app.passwords.check(None, password)
    for row in candidates:
        if await app.passwords.check(row["password_hash"], password):
            return row
    return None


async def settle(app: Services, user: Row, password: str) -> Row:
    """The user as of now, unless the password has changed meanwhile; a hash made with old parameters is renewed on the way."""
    stored: str = user["password_hash"]
    renewed = await app.passwords.hash(password) if app.passwords.outdated(stored) else None
    user_id: UUID = user["user_id"]
    async with tenant_transaction(app.engine, user["tenant_id"]) as connection:
        row = await find_signing_in(connection, user_id, stored)
        if row is None:
            raise Unauthenticated(WRONG, "invalid_grant")
        if renewed is not None:
            await rehash(connection, user_id, stored, renewed)
    return row
