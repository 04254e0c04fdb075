"""Addresses that get no mail, over HTTP: after bounces and refusals, or by hand."""

from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import Path
from starlette.responses import Response

from api.dependencies import Admin, PageQuery, Session
from api.errors import refusals
from api.paging import Page
from api.records import Once
from api.responses import reply
from api.routing import Area
from api.schemas.mail_out import CreateSuppression, SuppressionView
from db import suppressions
from db.suppressions import Row
from domain.process import Conflict, KeyReused, NotFound

router = Area(prefix="/api/mail/suppressions", tags=["Mail"])

Address = Annotated[
    str,
    Path(max_length=254, pattern=r"^[^\x00-\x1f\x7f]+$", description="The address.", examples=["casey@shop.example"]),
]

ORDER: Final = "-createdAt,address"


class AlreadySuppressed(Conflict):
    """The address gets no mail as it is."""

    def __init__(self) -> None:
        wrong = {"pointer": "/address", "code": "taken", "detail": "gets no mail already"}
        super().__init__("This address gets no mail already.", errors=[wrong])


@router.post("", status_code=201, response_model=SuppressionView, responses=refusals(AlreadySuppressed, KeyReused))
async def create_suppression(body: CreateSuppression, admin: Admin, session: Session, once: Once) -> Response:
    """Send no more mail to an address. What waits for it is given up, with the reason in the log."""
    if not await suppressions.add(session, body.address, body.reason):
        raise AlreadySuppressed
    view = shown(await suppressions.find(session, body.address))
    return await once.reply(view, version=view.version, location=f"{router.prefix}/{quote(view.address, safe='@')}")


@router.get("", response_model=Page[SuppressionView])
async def list_suppressions(admin: Admin, session: Session, page: PageQuery) -> Response:
    """The addresses that get no mail, the latest first."""
    after = page.after(ORDER)
    place = None if after is None else (datetime.fromisoformat(after[0]), str(after[1]))
    rows = await suppressions.list_suppressed(session, count=page.count, after=place)
    return reply(page.page(rows, shown, ORDER, keys))


@router.get("/{address:path}", response_model=SuppressionView)
async def get_suppression(address: Address, admin: Admin, session: Session) -> Response:
    """Why an address gets no mail."""
    view = shown(await suppressions.find(session, address))
    return reply(view, version=view.version)


@router.delete("/{address:path}", status_code=204, response_class=Response)
async def delete_suppression(address: Address, admin: Admin, session: Session) -> Response:
    """Send mail to an address again. What was given up meanwhile goes out by `POST /api/notifications/log/{id}/redeliver`."""
    if not await suppressions.lift(session, address):
        raise NotFound(NONE)
    return Response(status_code=204)


NONE: Final = "This address gets mail."


def shown(row: Row | None) -> SuppressionView:
    """An address to show. Raises NotFound."""
    if row is None:
        raise NotFound(NONE)
    return SuppressionView.model_validate({**row, "updated_at": row["created_at"], "version": 1})


def keys(row: Any) -> list[str | int | None]:
    """The sort keys of the list."""
    return [row["created_at"].isoformat(), row["address"]]
