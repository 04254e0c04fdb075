"""Files over HTTP: uploaded before they are said something with, listed, and sent to whoever may see them."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Header, Path, Request
from starlette.responses import Response

from api.dependencies import App, IdempotencyKey, PageQuery, Principal, Session
from api.downloads import download
from api.errors import problem_response, refusals
from api.multipart import BadUpload
from api.paging import Page
from api.responses import reply
from api.routing import Area
from api.schemas.attachments import UPLOAD, AttachmentView
from api.services import Services
from api.uploads import Uploads, attachment_view
from db.attachments import find_attachment, list_attachments
from db.tickets.reads import find_ticket
from domain.process import KeyReused, NotFound
from domain.tickets.lifecycle import TicketFinal

router = Area(tags=["Attachments"])

TicketId = Annotated[UUID, Path(description="The ticket's id.")]

BINARY: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}
TAG: Final = {"description": "The checksum of the content, for If-None-Match.", "schema": {"type": "string"}}
CONTENT: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The file, to be saved.", "content": {"*/*": BINARY}, "headers": {"ETag": TAG}},
    206: {"description": "The part that `Range` asks for.", "content": {"*/*": BINARY}, "headers": {"ETag": TAG}},
    304: {"description": "The caller has this content already.", "headers": {"ETag": TAG}},
    416: problem_response("The file ends before the part begins that `Range` asks for."),
}


@router.post(
    "/api/tickets/{ticket_id}/attachments",
    status_code=201,
    response_model=AttachmentView,
    responses=refusals(BadUpload, TicketFinal, KeyReused),
    openapi_extra=UPLOAD,
)
async def upload_to_ticket(
    ticket_id: TicketId, request: Request, caller: Principal, app: App, key: IdempotencyKey = None
) -> Response:
    """Upload a file for a ticket; a comment names it in `attachmentIds`. What no comment names within a week is dropped."""
    return await uploads(app).take(request, caller, ticket_id, key)


@router.post(
    "/api/attachments",
    status_code=201,
    response_model=AttachmentView,
    responses=refusals(BadUpload, KeyReused),
    openapi_extra=UPLOAD,
)
async def upload(request: Request, caller: Principal, app: App, key: IdempotencyKey = None) -> Response:
    """Upload a file for a ticket that is still to be opened, which names it in `attachmentIds`."""
    return await uploads(app).take(request, caller, None, key)


@router.get("/api/tickets/{ticket_id}/attachments", response_model=Page[AttachmentView])
async def list_ticket_attachments(
    ticket_id: TicketId, caller: Principal, session: Session, page: PageQuery
) -> Response:
    """A ticket's files, the newest first; customers see what was said in public, and what they have uploaded themselves."""
    if await find_ticket(session, caller.actor, ticket_id) is None:
        raise NotFound("There is no such ticket.")
    rows = await list_attachments(session, caller.actor, ticket_id, count=page.count, after=page.after_newest())
    return reply(page.page(rows, attachment_view))


@router.get("/api/attachments/{attachment_id}", response_class=Response, responses=CONTENT)
async def get_attachment(
    attachment_id: UUID,
    request: Request,
    caller: Principal,
    app: App,
    session: Session,
    byte_range: Annotated[
        str | None, Header(alias="Range", description="One part of it; of several parts the whole.")
    ] = None,
    known: Annotated[str | None, Header(alias="If-None-Match", description="Not if the content is this one.")] = None,
) -> Response:
    """The content of a file. It is sent to be saved, and so that no browser runs it."""
    row = await find_attachment(session, caller.actor, attachment_id)
    if row is None:
        raise NotFound("There is no such file.")
    return await download(request, app.blobs, caller.tenant_id, row)


def uploads(app: Services) -> Uploads:
    """What takes in files, as the settings want it."""
    return Uploads(app.engine, app.blobs, app.settings.max_file_bytes, app.fingerprint_key)
