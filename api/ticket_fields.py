"""Definitions of custom fields over HTTP: from the first active one on, tickets hold what is defined and nothing else."""

from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from api.constraints import KeyTaken
from api.dependencies import Admin, AfterCommit, App, IfMatch, PageQuery, Principal, Session
from api.errors import refusals
from api.paging import Page
from api.records import Once, fresh, new_id
from api.responses import reply
from api.routing import Area
from api.schemas.ticket_fields import ChangeField, CreateField, FieldView, options_fault
from db.positions import Ordered, Row, keys, one_at_a_time, place
from db.ticket_fields import FIELDS, VISIBLE, end_field
from domain.identity import Actor
from domain.process import Conflict, Invalid, KeyReused, NotFound, Stale
from domain.tickets.fields import FieldType

router = Area(prefix="/api/ticket-fields", tags=["Tickets"])

SORT: Final = "position"
MOST_FIELDS: Final = 200


class TooManyFields(Conflict):
    """A tenant has as many fields as it may have."""

    def __init__(self) -> None:
        super().__init__(f"A tenant has at most {MOST_FIELDS} custom fields.")


class UnfitDefinition(Invalid):
    """The parts of the definition do not fit together."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__("The parts of the definition do not fit together.", errors)


@router.post(
    "",
    status_code=201,
    response_model=FieldView,
    responses=refusals(KeyTaken, TooManyFields, UnfitDefinition, KeyReused),
)
async def create_ticket_field(
    body: CreateField, admin: Admin, app: App, session: Session, once: Once, then: AfterCommit
) -> Response:
    """Define a field. It rules from now on, in every process within five seconds; tickets keep what they have."""
    await one_at_a_time(session)
    values = body.model_dump(exclude={"tenant_id"}) | {"id": new_id()}
    refuse_unfit(values)
    last, number = await FIELDS.measure(session)
    if number >= MOST_FIELDS:
        raise TooManyFields
    await FIELDS.add(session, values | {"position": body.position or last + 1})
    then.append(partial(app.desk.fields.forget, admin.tenant_id))
    view = shown(await FIELDS.find(session, values["id"]))
    return await once.reply(view, version=view.version, location=f"{router.prefix}/{view.id}")


@router.get("", response_model=Page[FieldView])
async def list_ticket_fields(
    caller: Principal,
    session: Session,
    page: PageQuery,
    active: Annotated[bool | None, Query(description="Only fields in force, or only others.")] = None,
) -> Response:
    """The fields in their order; customers see the active ones that are visible to them."""
    after = place(page.after(SORT))
    rows = await seen_by(caller.actor).page(session, count=page.count, after=after, active=active)
    return reply(page.page(rows, shown, SORT, keys))


@router.get("/{field_id}", response_model=FieldView, responses=refusals(NotFound))
async def get_ticket_field(field_id: UUID, caller: Principal, session: Session) -> Response:
    """One field."""
    view = shown(await seen_by(caller.actor).find(session, field_id))
    return reply(view, version=view.version)


@router.patch("/{field_id}", response_model=FieldView, responses=refusals(UnfitDefinition, NotFound, Stale))
async def change_ticket_field(
    field_id: UUID, body: ChangeField, admin: Admin, app: App, session: Session, accepted: IfMatch, then: AfterCommit
) -> Response:
    """Change a field; values that tickets have stay, and are held against it when somebody writes them again."""
    before = existing(await FIELDS.find(session, field_id, lock=True))
    fresh(before["version"], accepted)
    changes = body.model_dump(exclude_unset=True)
    refuse_unfit({**before, **changes})
    await FIELDS.change(session, before, changes)
    then.append(partial(app.desk.fields.forget, admin.tenant_id))
    view = shown(await FIELDS.find(session, field_id))
    return reply(view, version=view.version)


@router.delete("/{field_id}", status_code=204, response_class=Response, responses=refusals(NotFound, Stale))
async def delete_ticket_field(
    field_id: UUID, admin: Admin, app: App, session: Session, accepted: IfMatch, then: AfterCommit
) -> Response:
    """Delete a field. Tickets keep their values, and customers go on not seeing what they did not see."""
    before = existing(await FIELDS.find(session, field_id, lock=True))
    fresh(before["version"], accepted)
    await end_field(session, field_id)
    then.append(partial(app.desk.fields.forget, admin.tenant_id))
    return Response(status_code=204)


def refuse_unfit(field: dict[str, Any]) -> None:
    """Refuse options where there is nothing to choose, and a field to be filled in blindly. Raises UnfitDefinition."""
    errors = []
    if detail := options_fault(FieldType(field["type"]), field["options"]):
        errors.append({"pointer": "/options", "code": "options", "detail": detail})
    if field["customer_editable"] and not field["customer_visible"]:
        detail = "takes customerVisible: nobody fills in what they do not see"
        errors.append({"pointer": "/customerEditable", "code": "editable", "detail": detail})
    if errors:
        raise UnfitDefinition(errors)


def seen_by(actor: Actor) -> Ordered:
    """The fields that there are for somebody."""
    return FIELDS if actor.staff else VISIBLE


def existing(row: Row | None) -> Row:
    """A field that exists. Raises NotFound."""
    if row is None:
        raise NotFound("There is no such field.")
    return row


def shown(row: Row | None) -> FieldView:
    """A field to show. Raises NotFound."""
    return FieldView.model_validate(dict(existing(row)), by_name=True)
