"""Mail that came in, over HTTP: handed over by other systems, looked at, and what the desk decides about what was parked."""

import asyncio
from typing import Annotated, Any, Final
from uuid import UUID

import nh3
from fastapi import Path, Query, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from api.dependencies import App, IdempotencyKey, Lead, PageQuery, Session
from api.downloads import POLICY
from api.errors import refusals
from api.mail.receiving import Destination, clean, read
from api.paging import Page
from api.records import Once, Repeatable, claimed, fingerprint, key_of
from api.responses import reply
from api.routing import Area
from api.schemas.mail import RAW, FileOfMail, InboundView, MailContentView, MailState, TakenView
from db import inbound
from db.engine import tenant_transaction
from db.mailboxes import default_mailbox, mailboxes_of
from domain.mail.addresses import split_address
from domain.mail.headers import Headers, read_headers
from domain.mail.pages import shallow
from domain.mail.people import people
from domain.mail.plans import Reason
from domain.process import Conflict, Invalid, KeyReused, NotFound

router = Area(prefix="/api/mail/inbound", tags=["Mail"])

MailId = Annotated[UUID, Path(description="The mail's id.")]

KINDS: Final = frozenset({"message/rfc822", "application/octet-stream"})
ADDRESSED: Final = ("x-original-to", "delivered-to", "to", "cc")
"""Headers that may say to which mailbox a mail came, the surest first."""

TAGS: Final = nh3.ALLOWED_TAGS - {"img", "map", "area"}
"""What of a page is shown: no pictures, because loading one tells its sender who reads when."""

FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The mail as it came, to be saved.",
        "content": {"message/rfc822": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class UnreadableMail(Invalid):
    """What was handed over is no mail for a mailbox of this tenant."""

    def __init__(self, where: dict[str, str]) -> None:
        super().__init__("The mail cannot be taken.", [where])


class MailSettled(Conflict):
    """A mail that is being taken in or has become a ticket cannot be decided about."""

    def __init__(self) -> None:
        super().__init__("The mail is not parked.")


@router.post(
    "", status_code=202, response_model=TakenView, responses=refusals(UnreadableMail, KeyReused), openapi_extra=RAW
)
async def take_mail(
    request: Request,
    lead: Lead,
    app: App,
    recipient: Annotated[
        str | None,
        Query(max_length=320, description="The mailbox's address; else headers tell, else it is the default one."),
    ] = None,
    sender: Annotated[
        str | None,
        Query(max_length=320, description="The envelope's sender; empty for mail that must not be answered."),
    ] = None,
    key: IdempotencyKey = None,
) -> Response:
    """Hand over a mail that came elsewhere. It is kept when this answers; the same mail again is the same row.

    What its headers say of its sender is believed as if your mail server had brought it, so that this takes a LEAD, or an API key
    with the scope `mail:write`.
    """
    raw = await read_body(request)
    identity = key_of(request, lead, key) if key else None
    async with tenant_transaction(app.engine, lead.tenant_id) as connection:
        once = Repeatable(connection, None)
        if identity is not None:
            once = await claimed(connection, identity, fingerprint(app.fingerprint_key, raw))
        where = await destination(connection, lead.tenant_id, raw, recipient)
        plain = None if sender is None else clean(sender) if "@" in sender else ""
        mail_id = await app.receiving.keep_one(connection, raw, plain, where)
        row = existing(await inbound.find_mail(connection, mail_id))
        response = await once.reply(
            TakenView(id=mail_id, state=row["state"]), 202, location=f"{router.prefix}/{mail_id}"
        )
    app.receiving.came.set()
    return response


@router.get("", response_model=Page[InboundView])
async def list_mail(
    lead: Lead,
    session: Session,
    page: PageQuery,
    state: Annotated[MailState | None, Query(description="PARKED: what waits for somebody.")] = None,
    reason: Annotated[Reason | None, Query(description="Why it is parked.")] = None,
    ticket_id: Annotated[UUID | None, Query(alias="ticketId", description="The ticket that it became.")] = None,
) -> Response:
    """Mail that came, the newest first."""
    rows = await inbound.list_mails(
        session, count=page.count, after=page.after_newest(), state=state, reason=reason, ticket_id=ticket_id
    )
    return reply(page.page(rows, shown, keys=lambda row: [row["received_at"].isoformat(), str(row["id"])]))


@router.get("/{mail_id}", response_model=MailContentView, responses=refusals(NotFound))
async def get_mail(mail_id: MailId, lead: Lead, session: Session) -> Response:
    """One mail with what it says, as long as that is kept."""
    row = existing(await inbound.find_mail(session, mail_id))
    found = existing(await inbound.find_raw(session, mail_id))
    mail = await read(found["raw"] or b"", found["envelope_sender"])
    view = MailContentView(
        **shown(row).model_dump(),
        blank=found["raw"] is None,
        to=[each.address for each in mail.to],
        cc=[each.address for each in mail.cc],
        text=mail.text,
        quoted=mail.quoted,
        html=await asyncio.to_thread(harmless, mail.html) if mail.html else None,
        machine=mail.machine,
        files=[FileOfMail(name=each.named, content_type=each.content_type) for each in mail.attachments],
    )
    return reply(view, version=view.version)


@router.get("/{mail_id}/raw", response_class=Response, responses=FILE | refusals(NotFound))
async def get_raw_mail(mail_id: MailId, lead: Lead, session: Session) -> Response:
    """A mail as it came; not found once it is kept no longer."""
    found = existing(await inbound.find_raw(session, mail_id))
    if found["raw"] is None:
        raise NotFound("The mail as it came is kept no longer.")
    headers = {
        "Content-Disposition": f'attachment; filename="{mail_id}.eml"',
        "Cache-Control": "private, no-store",
        "Content-Security-Policy": POLICY,
    }
    return Response(found["raw"], headers=headers, media_type="message/rfc822")


@router.post("/{mail_id}/accept", response_model=InboundView, responses=refusals(NotFound, MailSettled, KeyReused))
async def accept_mail(mail_id: MailId, lead: Lead, session: Session, once: Once) -> Response:
    """Vouch for a parked mail: it becomes a ticket or a comment, whatever it was parked for."""
    return await decided(session, once, mail_id, state="RECEIVED", accepted=True)


@router.post("/{mail_id}/retry", response_model=InboundView, responses=refusals(NotFound, MailSettled, KeyReused))
async def retry_mail(mail_id: MailId, lead: Lead, session: Session, once: Once) -> Response:
    """Judge a parked mail again, as if it came now: nobody vouches for it, whoever did before."""
    return await decided(session, once, mail_id, state="RECEIVED", accepted=False)


@router.post("/{mail_id}/discard", response_model=InboundView, responses=refusals(NotFound, MailSettled, KeyReused))
async def discard_mail(mail_id: MailId, lead: Lead, session: Session, once: Once) -> Response:
    """Put a parked mail aside; it waits for nobody, and is deleted after thirty days."""
    return await decided(session, once, mail_id, state="DISCARDED")


async def decided(session: Session, once: Once, mail_id: UUID, **values: Any) -> Response:
    """A parked or discarded mail after a decision about it. Raises NotFound, MailSettled."""
    row = existing(await inbound.lock_mail(session, mail_id))
    if row["state"] not in ("PARKED", "DISCARDED"):
        raise MailSettled
    if values["state"] == "RECEIVED":
        values |= {"reason": None, "detail": None, "plan": None, "attempts": 0}
    moved = await inbound.move_mail(session, mail_id, **values)
    view = shown(moved)
    return await once.reply(view, 200, version=view.version)


async def read_body(request: Request) -> bytes:
    """The mail that was sent. Raises UnreadableMail."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in KINDS:
        raise UnreadableMail(wrong("content_type", "must be sent as message/rfc822"))
    try:
        raw = await request.body()
    except ClientDisconnect:
        raise UnreadableMail(wrong("unreadable", "was cut off")) from None
    if not raw.strip():
        raise UnreadableMail(wrong("empty", "is empty"))
    return raw


async def destination(connection: Session, tenant_id: UUID, raw: bytes, recipient: str | None) -> Destination:
    """The mailbox of this tenant to which a mail goes. Raises UnreadableMail."""
    if recipient is not None:
        wanted = [clean(recipient)] if "@" in recipient else []
    else:
        headers, _ = read_headers(raw, 0, len(raw))
        wanted = addressed(headers)
    found = await mailboxes_of(connection, [split_address(each)[0] for each in wanted])
    for each in wanted:
        mailbox, owner = found.get(split_address(each)[0], (None, None))
        if mailbox is not None and owner == tenant_id:
            return Destination(mailbox, tenant_id, each)
    default = await default_mailbox(connection) if recipient is None else None
    if default is None:
        raise UnreadableMail(
            {"parameter": "recipient", "code": "unknown", "detail": "must be the address of an active mailbox"}
        )
    return Destination(default["id"], tenant_id, default["address"])


def addressed(headers: Headers) -> list[str]:
    """The addresses to which a mail went, as far as its headers say."""
    return [each.address for name in ADDRESSED for each in people(headers.every(name))][:100]


def harmless(html: str) -> str:
    """HTML without anything that runs, calls home, or pretends to be ours; a page that is long or nested without end is cut before."""
    page = shallow(html, TAGS)
    return nh3.clean(page, tags=TAGS, url_schemes={"http", "https", "mailto"}, link_rel="noopener noreferrer nofollow")


def wrong(code: str, detail: str) -> dict[str, str]:
    """What is wrong with a body."""
    return {"pointer": "", "code": code, "detail": detail}


def existing(row: inbound.Row | None) -> inbound.Row:
    """A mail that exists. Raises NotFound."""
    if row is None:
        raise NotFound("There is no such mail.")
    return row


def shown(row: inbound.Row) -> InboundView:
    """A mail to show."""
    return InboundView.model_validate({**row, "created_at": row["received_at"]}, by_name=True)
