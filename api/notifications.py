"""What one was told, how one wants to be told, and for administrators what was told to whom."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from api.constraints import ForbiddenTarget
from api.dependencies import Admin, AfterCommit, App, PageQuery, Principal, Session
from api.errors import refusals
from api.paging import Page
from api.promises import PATHS
from api.records import Once
from api.responses import reply
from api.routing import Area
from api.schemas.notifications import (
    DeliveryState,
    LoggedNotificationView,
    NotificationView,
    PreferencesBody,
    PreferencesView,
)
from api.targets import refuse_foreign_networks
from db import identity, notifications
from db.notifications import Row
from domain.notifications.headlines import title
from domain.notifications.preferences import Preferences
from domain.notifications.recipients import Kind, Unaddressable, read_recipient
from domain.process import Channel, Conflict, KeyReused, NotFound

router = Area(tags=["Notifications"])

SPENT = frozenset({"invitation", "password_reset"})
"""Templates whose content has left the database with the mail."""


class NotRepeatable(Conflict):
    """This notification cannot be delivered again."""


@router.put("/api/me/preferences", response_model=PreferencesView, responses=refusals(ForbiddenTarget))
async def change_preferences(
    body: PreferencesBody, caller: Principal, app: App, session: Session, then: AfterCommit
) -> Response:
    """Say on which channels the caller wants to be told, and when not; what waited for quiet hours is judged anew.

    Without preferences it is mail and the inbox. Customers are told of their requests by mail at once, whatever they prefer.
    """
    refuse_foreign_networks(app, "/slackUrl", body.slack_url)
    preferences = Preferences.model_validate(body.model_dump())
    await identity.change_preferences(session, caller.id, preferences.model_dump(mode="json"))
    await notifications.free(session, caller.id)
    then.append(partial(app.directory.forget, caller.tenant_id, caller.id))
    return reply(preferences_view(preferences))


@router.get("/api/notifications", response_model=Page[NotificationView])
async def list_notifications(
    caller: Principal, session: Session, page: PageQuery, unread: bool | None = None
) -> Response:
    """The caller's inbox, the newest first."""
    rows = await notifications.inbox(session, caller.id, count=page.count, after=page.after_newest(), unread=unread)
    return reply(page.page(rows, entry_view))


@router.post(
    "/api/notifications/{notification_id}/read", response_model=NotificationView, responses=refusals(KeyReused)
)
async def read_notification(notification_id: UUID, caller: Principal, session: Session, once: Once) -> Response:
    """Note that the caller has read an entry; the first time counts."""
    row = await notifications.read_entry(session, caller.id, notification_id)
    if row is None:
        raise NotFound("There is no such notification.")
    view = entry_view(row)
    return await once.reply(view, 200, version=view.version)


@router.get("/api/notifications/log", response_model=Page[LoggedNotificationView])
async def list_notification_log(
    admin: Admin,
    session: Session,
    page: PageQuery,
    state: Annotated[DeliveryState | None, Query(description="DEAD: what was given up.")] = None,
    channel: Channel | None = None,
) -> Response:
    """Every notification of the tenant and how its delivery stands, the newest first."""
    rows = await notifications.log(session, count=page.count, after=page.after_newest(), state=state, channel=channel)
    return reply(page.page(rows, logged_view))


@router.post(
    "/api/notifications/log/{notification_id}/redeliver",
    response_model=LoggedNotificationView,
    responses=refusals(NotRepeatable, KeyReused),
)
async def redeliver_notification(notification_id: UUID, admin: Admin, session: Session, once: Once) -> Response:
    """Deliver a notification again, with all attempts; the receiver sees the id that it had before."""
    row = await notifications.lock_notification(session, notification_id)
    if row is None:
        raise NotFound("There is no such notification.")
    if row["template"] in SPENT:
        raise NotRepeatable("The link in it is not kept; ask for a new one at POST /api/auth/password-reset.")
    if row["channel"] == Channel.IN_APP and is_person(row["recipient"]):
        raise NotRepeatable("An entry of an inbox is delivered by being there.")
    await notifications.redeliver(session, notification_id)
    found = await notifications.find_logged(session, notification_id)
    if found is None:
        raise NotFound("There is no such notification.")
    return await once.reply(logged_view(found), 200)


def is_person(recipient: str) -> bool:
    """Whether a recipient is one user."""
    try:
        return read_recipient(recipient).kind is Kind.PERSON
    except Unaddressable:
        return False


def preferences_view(preferences: Preferences) -> PreferencesView:
    """Preferences to show."""
    return PreferencesView.model_validate(preferences, from_attributes=True)


def entry_view(row: Row) -> NotificationView:
    """An entry of an inbox."""
    facts = {**row["payload"], **{name: row[name] for name in ("number", "subject") if row[name] is not None}}
    path = PATHS.get(row["process"] or "")
    return NotificationView(
        title=title(row["template"], facts),
        entity_id=row["process_id"],
        link=path.format(id=row["process_id"]) if path else None,
        updated_at=row["read_at"] or row["created_at"],
        version=1 if row["read_at"] is None else 2,
        **{name: row[name] for name in ("id", "template", "process", "created_at", "read_at")},
    )


def logged_view(row: Row) -> LoggedNotificationView:
    """A row of the log."""
    return LoggedNotificationView.model_validate(
        {**row, "entity_id": row["process_id"], "error": row["last_error"]}, extra="ignore"
    )
