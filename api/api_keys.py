"""API keys of a tenant: made, shown once, listed, revoked."""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Final
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from api.dependencies import Admin, AfterCommit, App, IfMatch, PageQuery, Session
from api.errors import refusals
from api.keyring import SHOWN, hashed, new_key
from api.paging import Page
from api.records import Once, fresh, new_id
from api.responses import reply
from api.routing import Area
from api.schemas.api_keys import ApiKeyView, AuthorView, CreateApiKey, NewApiKeyView
from db import api_keys
from db.api_keys import Row
from domain.keys import EVERYTHING, AlreadyExpired, RoleAboveOwn, may_issue
from domain.process import KeyReused, NotFound

router = Area(prefix="/api/api-keys", tags=["Identity"])

NONE: Final = "There is no such API key."


@router.post(
    "", status_code=201, response_model=NewApiKeyView, responses=refusals(RoleAboveOwn, AlreadyExpired, KeyReused)
)
async def create_api_key(body: CreateApiKey, admin: Admin, session: Session, once: Once) -> Response:
    """Make an API key, and show it this once. It goes where a token does: `Authorization: Bearer sk_…`."""
    may_issue(admin.role, body.role, body.expires_at, datetime.now(UTC))
    key = new_key()
    values = body.model_dump(include={"name", "role", "expires_at"}) | {
        "id": new_id(),
        "scopes": body.scopes or [EVERYTHING],
        "prefix": key[:SHOWN],
        "hash": hashed(key),
        "author_id": admin.id,
        "author_name": admin.actor.name,
    }
    view = shown(await api_keys.add_key(session, values)).model_dump(by_alias=False)
    place = {"version": view["version"], "location": f"{router.prefix}/{view['id']}"}
    # The answer that is kept for repeats does not hold the key.
    await once.reply(NewApiKeyView.model_validate({**view, "key": None}), **place)
    return reply(NewApiKeyView.model_validate({**view, "key": key}), 201, **place)


@router.get("", response_model=Page[ApiKeyView])
async def list_api_keys(
    admin: Admin,
    session: Session,
    page: PageQuery,
    revoked: Annotated[
        bool, Query(description="True: those that were revoked, instead of those that were not.")
    ] = False,
) -> Response:
    """The API keys of this tenant, the newest first."""
    rows = await api_keys.list_keys(session, count=page.count, after=page.after_newest(), revoked=revoked)
    return reply(page.page(rows, shown))


@router.get("/{key_id}", response_model=ApiKeyView)
async def get_api_key(key_id: UUID, admin: Admin, session: Session) -> Response:
    """One API key, revoked ones too: histories name them."""
    view = shown(existing(await api_keys.find_key(session, key_id)))
    return reply(view, version=view.version)


@router.delete("/{key_id}", status_code=204, response_class=Response)
async def revoke_api_key(
    key_id: UUID, admin: Admin, app: App, session: Session, accepted: IfMatch, then: AfterCommit
) -> Response:
    """Revoke an API key for good: at once here, within five seconds everywhere. The second time nothing happens."""
    before = existing(await api_keys.find_key(session, key_id, lock=True))
    fresh(before["version"], accepted)
    await api_keys.revoke_key(session, key_id)
    then.append(partial(app.gate.keys.revoke, before["hash"]))
    return Response(status_code=204)


def existing(row: Row | None) -> Row:
    """A key that there is, or was. Raises NotFound."""
    if row is None:
        raise NotFound(NONE)
    return row


def shown(row: Row) -> ApiKeyView:
    """A key to show."""
    author = AuthorView(id=row["author_id"], name=row["author_name"])
    return ApiKeyView.model_validate({**row, "created_by": author}, extra="ignore")
