"""Mailboxes over HTTP: the addresses at which mail becomes tickets."""

from typing import Final
from uuid import UUID

from starlette.responses import Response

from api.constraints import AddressTaken, MailboxInUse, UnknownReference
from api.dependencies import Admin, Agent, IfMatch, PageQuery, Session
from api.errors import refusals
from api.paging import Page
from api.records import Once, fresh, new_id, refuse_unknown
from api.responses import reply
from api.routing import Area
from api.schemas.mail import ChangeMailbox, CreateMailbox, MailboxView
from db import mailboxes
from db.mailboxes import Row
from domain.process import Conflict, KeyReused, NotFound, Stale

router = Area(prefix="/api/mailboxes", tags=["Mail"])

MOST: Final = 200
"""A mailbox is an address that people know; a tenant has no more."""


class TooManyMailboxes(Conflict):
    """A tenant has as many mailboxes as it may have."""

    def __init__(self) -> None:
        super().__init__(f"A tenant has at most {MOST} mailboxes.")


class DefaultMailbox(Conflict):
    """The default mailbox stays until another takes its place."""

    def __init__(self) -> None:
        super().__init__("This is the default mailbox. Make another one the default first.")


@router.post(
    "",
    status_code=201,
    response_model=MailboxView,
    responses=refusals(UnknownReference, AddressTaken, TooManyMailboxes, KeyReused),
)
async def create_mailbox(body: CreateMailbox, admin: Admin, session: Session, once: Once) -> Response:
    """Add a mailbox; mail to it is taken from now on."""
    await mailboxes.lock_mailboxes(session)
    count = await mailboxes.count_mailboxes(session)
    if count >= MOST:
        raise TooManyMailboxes
    await refuse_unknown(session, {("/teamId", "team"): body.team_id})
    values = body.model_dump(exclude={"tenant_id"}) | {"id": new_id()}
    if count == 0:
        values |= {"is_default": True, "active": True}
    elif body.is_default and not body.active:
        raise DefaultMailbox
    await mailboxes.add_mailbox(session, values)
    view = shown(await mailboxes.find_mailbox(session, values["id"]))
    return await once.reply(view, version=view.version, location=f"{router.prefix}/{view.id}")


@router.get("", response_model=Page[MailboxView])
async def list_mailboxes(agent: Agent, session: Session, page: PageQuery) -> Response:
    """The mailboxes, the newest first."""
    rows = await mailboxes.list_mailboxes(session, count=page.count, after=page.after_newest())
    return reply(page.page(rows, shown))


@router.get("/{mailbox_id}", response_model=MailboxView, responses=refusals(NotFound))
async def get_mailbox(mailbox_id: UUID, agent: Agent, session: Session) -> Response:
    """One mailbox."""
    view = shown(await mailboxes.find_mailbox(session, mailbox_id))
    return reply(view, version=view.version)


@router.patch(
    "/{mailbox_id}",
    response_model=MailboxView,
    responses=refusals(UnknownReference, AddressTaken, DefaultMailbox, NotFound, Stale),
)
async def change_mailbox(
    mailbox_id: UUID, body: ChangeMailbox, admin: Admin, session: Session, accepted: IfMatch
) -> Response:
    """Change a mailbox. One that is not active takes no mail; what came before is taken in still."""
    await mailboxes.lock_mailboxes(session)
    before = existing(await mailboxes.find_mailbox(session, mailbox_id))
    fresh(before["version"], accepted)
    await refuse_unknown(session, {("/teamId", "team"): body.team_id})
    changes = body.model_dump(exclude_unset=True)
    after = {**before, **changes}
    if (before["is_default"] and not after["is_default"]) or (after["is_default"] and not after["active"]):
        raise DefaultMailbox
    await mailboxes.change_mailbox(session, before, changes)
    view = shown(await mailboxes.find_mailbox(session, mailbox_id))
    return reply(view, version=view.version)


@router.delete(
    "/{mailbox_id}",
    status_code=204,
    response_class=Response,
    responses=refusals(DefaultMailbox, MailboxInUse, NotFound, Stale),
)
async def delete_mailbox(mailbox_id: UUID, admin: Admin, session: Session, accepted: IfMatch) -> Response:
    """Delete a mailbox to which nothing ever came; any other can only be made inactive."""
    await mailboxes.lock_mailboxes(session)
    before = existing(await mailboxes.find_mailbox(session, mailbox_id))
    fresh(before["version"], accepted)
    if before["is_default"] and await mailboxes.count_mailboxes(session) > 1:
        raise DefaultMailbox
    await mailboxes.delete_mailbox(session, mailbox_id)
    return Response(status_code=204)


def existing(row: Row | None) -> Row:
    """A mailbox that exists. Raises NotFound."""
    if row is None:
        raise NotFound("There is no such mailbox.")
    return row


def shown(row: Row | None) -> MailboxView:
    """A mailbox to show. Raises NotFound."""
    return MailboxView.model_validate(dict(existing(row)), by_name=True)
