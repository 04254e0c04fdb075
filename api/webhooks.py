"""Webhooks of a tenant: where they are, and how each event got there."""

import base64
import os
from typing import Annotated, Final
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from api.constraints import ForbiddenTarget
from api.dependencies import Admin, App, IfMatch, PageQuery, Session
from api.errors import refusals
from api.paging import Page
from api.records import Once, fresh, new_id
from api.responses import reply
from api.routing import Area
from api.schemas.notifications import DeliveryState
from api.schemas.webhooks import (
    PREFIX,
    SECRET_BYTES,
    ChangeWebhook,
    CreateWebhook,
    DeliveryView,
    NewWebhookView,
    WebhookView,
)
from api.targets import refuse_foreign_networks
from db import webhooks
from db.webhooks import Row
from domain.process import KeyReused, NotFound

router = Area(prefix="/api/webhooks", tags=["Webhooks"])

NONE: Final = "There is no such webhook."


@router.post("", status_code=201, response_model=NewWebhookView, responses=refusals(ForbiddenTarget, KeyReused))
async def create_webhook(body: CreateWebhook, admin: Admin, app: App, session: Session, once: Once) -> Response:
    """Add a webhook, and show its secret this once."""
    refuse_foreign_networks(app, "/url", body.url)
    secret = body.secret.get_secret_value() if body.secret else new_secret()
    values = body.model_dump(exclude={"tenant_id", "secret"}) | {"id": new_id(), "secret": secret}
    await webhooks.add_webhook(session, values)
    row = existing(await webhooks.find_webhook(session, values["id"]))
    place = {"version": row["version"], "location": f"{router.prefix}/{row['id']}"}
    # The answer that is kept for repeats holds no secret.
    await once.reply(NewWebhookView.model_validate({**row, "secret": None}), **place)
    return reply(NewWebhookView.model_validate({**row, "secret": secret}), 201, **place)


@router.get("", response_model=Page[WebhookView])
async def list_webhooks(admin: Admin, session: Session, page: PageQuery) -> Response:
    """The webhooks of this tenant, the newest first."""
    rows = await webhooks.list_webhooks(session, count=page.count, after=page.after_newest())
    return reply(page.page(rows, WebhookView.model_validate))


@router.get("/{webhook_id}", response_model=WebhookView)
async def get_webhook(webhook_id: UUID, admin: Admin, session: Session) -> Response:
    """One webhook, without its secret."""
    view = shown(existing(await webhooks.find_webhook(session, webhook_id)))
    return reply(view, version=view.version)


@router.patch("/{webhook_id}", response_model=WebhookView, responses=refusals(ForbiddenTarget))
async def change_webhook(
    webhook_id: UUID, body: ChangeWebhook, admin: Admin, app: App, session: Session, accepted: IfMatch
) -> Response:
    """Change a webhook; a new secret signs from the next call on, and for 24 hours the one before signs beside it."""
    before = existing(await webhooks.find_webhook(session, webhook_id, lock=True))
    fresh(before["version"], accepted)
    refuse_foreign_networks(app, "/url", body.url)
    changes = body.model_dump(exclude_unset=True)
    if body.secret is not None:
        changes["secret"] = body.secret.get_secret_value()
    await webhooks.change_webhook(session, before, changes)
    view = shown(existing(await webhooks.find_webhook(session, webhook_id)))
    return reply(view, version=view.version)


@router.delete("/{webhook_id}", status_code=204, response_class=Response)
async def delete_webhook(webhook_id: UUID, admin: Admin, session: Session, accepted: IfMatch) -> Response:
    """Drop a webhook, what it has not been told yet, and its log."""
    before = existing(await webhooks.find_webhook(session, webhook_id, lock=True))
    fresh(before["version"], accepted)
    await webhooks.delete_webhook(session, webhook_id)
    return Response(status_code=204)


@router.get("/{webhook_id}/deliveries", response_model=Page[DeliveryView])
async def list_deliveries(
    webhook_id: UUID,
    admin: Admin,
    session: Session,
    page: PageQuery,
    state: Annotated[DeliveryState | None, Query(description="DEAD: what was given up.")] = None,
) -> Response:
    """What a webhook was told, the newest first."""
    existing(await webhooks.find_webhook(session, webhook_id))
    rows = await webhooks.list_deliveries(session, webhook_id, count=page.count, after=page.after_newest(), state=state)
    return reply(page.page(rows, delivery_view))


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/replay", response_model=DeliveryView, responses=refusals(KeyReused)
)
async def replay_delivery(webhook_id: UUID, delivery_id: UUID, admin: Admin, session: Session, once: Once) -> Response:
    """Tell an event again, with all attempts; the receiver sees the same `webhook-id`, and `earlier` keeps how it ended before."""
    row = await webhooks.replay(session, webhook_id, delivery_id)
    if row is None:
        raise NotFound("There is no such delivery.")
    return await once.reply(delivery_view(row), 200)


def new_secret() -> str:
    """A secret as Standard Webhooks writes them."""
    return PREFIX + base64.b64encode(os.urandom(SECRET_BYTES[0])).decode()


def existing(row: Row | None) -> Row:
    """A webhook that exists. Raises NotFound."""
    if row is None:
        raise NotFound(NONE)
    return row


def shown(row: Row) -> WebhookView:
    """A webhook to show."""
    return WebhookView.model_validate(row)


def delivery_view(row: Row) -> DeliveryView:
    """A line of the log."""
    return DeliveryView.model_validate({**row, "error": row["last_error"]}, extra="ignore")
