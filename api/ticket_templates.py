"""Ticket templates over HTTP, and macros: templates that change tickets."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Path, Query
from starlette.responses import Response

from api.constraints import NameTaken, UnknownReference
from api.dependencies import Agent, App, IdempotencyKey, IfMatch, Lead, PageQuery, Session
from api.errors import refusals
from api.kept_fields import UnfitFields
from api.paging import Page
from api.problems import camel
from api.records import Once, fresh, new_id, refuse_unknown
from api.responses import reply
from api.routing import Area
from api.schemas.ticket_templates import ME, ChangeTemplate, CreateTemplate, MacroView, TemplateView
from api.schemas.tickets import TicketView
from api.templating import InactiveTemplate, UnfitTemplate
from db.positions import Row, keys, one_at_a_time, place
from db.ticket_templates import TEMPLATES
from domain.process import Invalid, KeyReused, NotFound, Stale
from domain.tickets.commands import ApplyMacro
from domain.tickets.fields import Definitions, check
from domain.tickets.lifecycle import IllegalTransition, TicketFinal

router = Area(tags=["Tickets"])

HERE: Final = "/api/ticket-templates"
SORT: Final = "position"


class EmptyTemplate(Invalid):
    """A template has a text, or changes something."""

    def __init__(self) -> None:
        error = {"pointer": "", "code": "missing", "detail": "needs a subject, a body or changes"}
        super().__init__("The template says and changes nothing.", [error])


@router.post(
    HERE,
    status_code=201,
    response_model=TemplateView,
    responses=refusals(NameTaken, EmptyTemplate, UnknownReference, UnfitFields, KeyReused),
)
async def create_ticket_template(body: CreateTemplate, lead: Lead, app: App, session: Session, once: Once) -> Response:
    """Add a template. One in force has its name to itself."""
    await one_at_a_time(session)
    values = {"id": new_id(), **written(body)}
    await refuse_unfit(session, body, values, await app.desk.fields.of(lead.tenant_id, session))
    last, _ = await TEMPLATES.measure(session)
    await TEMPLATES.add(session, values | {"position": body.position or last + 1})
    view = shown(await TEMPLATES.find(session, values["id"]))
    return await once.reply(view, version=view.version, location=f"{HERE}/{view.id}")


@router.get(HERE, response_model=Page[TemplateView])
async def list_ticket_templates(
    agent: Agent,
    session: Session,
    page: PageQuery,
    active: Annotated[bool | None, Query(description="Only templates in force, or only others.")] = None,
) -> Response:
    """The templates in their order."""
    rows = await TEMPLATES.page(session, count=page.count, after=place(page.after(SORT)), active=active)
    return reply(page.page(rows, shown, SORT, keys))


@router.get(HERE + "/{template_id}", response_model=TemplateView, responses=refusals(NotFound))
async def get_ticket_template(template_id: UUID, agent: Agent, session: Session) -> Response:
    """One template."""
    view = shown(await TEMPLATES.find(session, template_id))
    return reply(view, version=view.version)


@router.patch(
    HERE + "/{template_id}",
    response_model=TemplateView,
    responses=refusals(NameTaken, EmptyTemplate, UnknownReference, UnfitFields, NotFound, Stale),
)
async def change_ticket_template(
    template_id: UUID, body: ChangeTemplate, lead: Lead, app: App, session: Session, accepted: IfMatch
) -> Response:
    """Change a template; what was done with it stays."""
    before = existing(await TEMPLATES.find(session, template_id, lock=True))
    fresh(before["version"], accepted)
    changes = written(body)
    await refuse_unfit(session, body, {**before, **changes}, await app.desk.fields.of(lead.tenant_id, session))
    await TEMPLATES.change(session, before, changes)
    view = shown(await TEMPLATES.find(session, template_id))
    return reply(view, version=view.version)


@router.delete(HERE + "/{template_id}", status_code=204, response_class=Response, responses=refusals(NotFound, Stale))
async def delete_ticket_template(template_id: UUID, lead: Lead, session: Session, accepted: IfMatch) -> Response:
    """Delete a template; what was done with it stays."""
    before = existing(await TEMPLATES.find(session, template_id, lock=True))
    fresh(before["version"], accepted)
    await TEMPLATES.delete(session, template_id)
    return Response(status_code=204)


@router.post(
    "/api/tickets/{ticket_id}/macros/{template_id}",
    response_model=TicketView,
    responses=refusals(
        NotFound, IllegalTransition, TicketFinal, InactiveTemplate, UnfitTemplate, UnfitFields, Stale, KeyReused
    ),
)
async def apply_macro(
    ticket_id: Annotated[UUID, Path(description="The ticket's id.")],
    template_id: Annotated[UUID, Path(description="The template's id.")],
    agent: Agent,
    app: App,
    versions: IfMatch,
    key: IdempotencyKey = None,
) -> Response:
    """Do what a template says to a ticket: its changes and its text as a comment, all in one decision."""
    ticket = await app.desk.apply_macro(ticket_id, template_id, agent, versions, key)
    return reply(ticket, version=ticket.version)


@router.get(
    "/api/tickets/{ticket_id}/macros/{template_id}",
    response_model=MacroView,
    responses=refusals(NotFound, InactiveTemplate, UnfitTemplate, UnfitFields),
)
async def preview_macro(ticket_id: UUID, template_id: UUID, agent: Agent, app: App) -> Response:
    """What a template would say and change on a ticket, to be looked at, or edited and sent as a comment. Changes nothing."""
    macro = await app.desk.templating.macro(ticket_id, template_id, agent, None)
    return reply(previewed(macro))


def written(body: CreateTemplate | ChangeTemplate) -> dict[str, Any]:
    """The columns that a body sets."""
    sent = body.model_fields_set if isinstance(body, ChangeTemplate) else type(body).model_fields.keys() - {"position"}
    values = {name: getattr(body, name) for name in sent - {"tenant_id"}}
    if values.get("changes") is not None:
        values["changes"] = values["changes"].model_dump(mode="json", by_alias=True, exclude_unset=True) or None
    return values


async def refuse_unfit(
    session: Session, body: CreateTemplate | ChangeTemplate, whole: dict[str, Any], defined: Definitions
) -> None:
    """Refuse a template without content, and changes that no ticket could take. Raises EmptyTemplate, UnknownReference, UnfitFields."""
    if not (whole["subject"] or whole["body"] or whole["changes"]):
        raise EmptyTemplate
    changes = body.changes
    if changes is None:
        return
    person = UUID(changes.assignee_id) if changes.assignee_id and changes.assignee_id != ME else None
    await refuse_unknown(
        session, {("/changes/assigneeId", "colleague"): person, ("/changes/teamId", "team"): changes.team_id}
    )
    if changes.fields and (
        faults := check(defined, changes.fields, by_staff=True, whole=False, within="/changes/fields")
    ):
        raise UnfitFields(faults)


def existing(row: Row | None) -> Row:
    """A template that exists. Raises NotFound."""
    if row is None:
        raise NotFound("There is no such template.")
    return row


def shown(row: Row | None) -> TemplateView:
    """A template to show. Raises NotFound."""
    return TemplateView.model_validate(dict(existing(row)), by_name=True)


def previewed(macro: ApplyMacro) -> MacroView:
    """A macro that is only looked at."""
    changes = macro.change.model_dump(mode="json", exclude={"type"}) if macro.change else {}
    aside = {"add_tags": macro.add_tags, "remove_tags": macro.remove_tags, "fields": macro.set_fields}
    changes |= {name: value for name, value in aside.items() if value}
    return MacroView(
        template_id=macro.template_id,
        name=macro.name,
        body=macro.comment.body if macro.comment else None,
        internal=bool(macro.comment and macro.comment.internal),
        changes={camel(name): value for name, value in changes.items()},
    )
