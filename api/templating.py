"""Templates in use: a request completed by one, and a ticket's macro with its texts filled in."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.auth import Caller
from api.kept_fields import TicketFields, UnfitFields
from api.problems import camel
from api.schemas.ticket_templates import ME, TemplateChanges
from api.schemas.tickets import NewTicket
from api.schemas.wording import in_words
from db.engine import tenant_transaction
from db.positions import Row
from db.ticket_templates import TEMPLATES, facts_of_request, facts_of_ticket
from db.tickets.relations import colleagues_called
from domain.process import Conflict, Forbidden, Invalid, NotFound
from domain.tickets.commands import AddComment, ApplyMacro, ChangeTicket
from domain.tickets.templates import one_line, render, values_of

LONGEST_SUBJECT: Final = 300
LONGEST_BODY: Final = 100_000

DEFAULTS: Final = ("priority", "severity", "category", "sla_tier", "tags", "team_id")
"""What of a template's changes a new ticket begins with, unless the request says otherwise."""

ASIDE: Final = ("add_tags", "remove_tags", "fields")
"""What of them meets the ticket as it is then."""


class UnknownTemplate(Invalid):
    """No template in force has the id."""

    def __init__(self) -> None:
        error = {"pointer": "/templateId", "code": "unknown", "detail": "is no template in force"}
        super().__init__("There is no such template.", [error])


class InactiveTemplate(Conflict):
    """The template is not in force."""

    def __init__(self) -> None:
        super().__init__("The template is not in force.")


class UnfitTemplate(Invalid):
    """The template, filled in for this ticket, says and changes nothing, or says too much."""


@dataclass(frozen=True)
class Templating:
    """Fills templates in for callers."""

    engine: AsyncEngine
    fields: TicketFields

    async def filled(self, body: NewTicket, caller: Caller) -> NewTicket:
        """A request completed by the template that it names: what it says itself wins, custom fields one by one.

        An internal note never becomes the description, which the customer reads. Raises UnknownTemplate, Forbidden for customers,
        and Invalid for what is missing still.
        """
        if not caller.actor.staff:
            raise Forbidden("Templates are for the staff.")
        sent = body.model_dump(exclude={"template_id"}, exclude_unset=True)
        async with tenant_transaction(self.engine, caller.tenant_id) as session:
            row = await TEMPLATES.find(session, body.template_id) if body.template_id else None
            if row is None or not row["active"]:
                raise UnknownTemplate
            whole = defaults(changes_of(row), caller) | sent
            whole["fields"] = {**(changes_of(row).get("fields") or {}), **body.fields}
            facts = await facts_of_request(session, body.customer_email, whole.get("assignee_id"), whole.get("team_id"))
        values = values_of(named(whole, caller) | facts, whole["fields"])
        if "subject" not in sent and row["subject"]:
            whole["subject"] = one_line(render(row["subject"], values), LONGEST_SUBJECT)
        if "description" not in sent and row["body"] and not row["internal"]:
            values["ticket.subject"] = whole.get("subject") or ""
            whole["description"] = render(row["body"], values)
        return completed(whole)

    async def macro(
        self, ticket_id: UUID, template_id: UUID, caller: Caller, versions: tuple[int, ...] | None
    ) -> ApplyMacro:
        """What a template does to a ticket, its texts filled in from the ticket's row.

        Raises NotFound, InactiveTemplate, UnfitTemplate, and UnfitFields when the definitions have changed since it was written.
        """
        async with tenant_transaction(self.engine, caller.tenant_id) as session:
            facts = await facts_of_ticket(session, ticket_id)
            row = await TEMPLATES.find(session, template_id)
            if facts is None or row is None:
                raise NotFound("There is no such ticket." if facts is None else "There is no such template.")
            if not row["active"]:
                raise InactiveTemplate
            fields = facts.pop("fields")
            comment = await said(session, row, values_of(facts | {"agent.name": caller.actor.name}, fields))
        changes = changes_of(row)
        faults = await self.fields.faults(caller, changes.get("fields"), whole=False)
        if faults:
            raise UnfitFields(faults)
        if comment is None and not changes:
            raise UnfitTemplate("The template says and changes nothing here.")
        return assembled(row, changes, comment, caller, versions)


def changes_of(row: Row) -> dict[str, Any]:
    """What a template changes, by the names of the domain."""
    if row["changes"] is None:
        return {}
    return TemplateChanges.model_validate(row["changes"]).model_dump(exclude_unset=True)


def person(chosen: str | None, caller: Caller) -> UUID | None:
    """An assignee; `me` is whoever asks."""
    return caller.id if chosen == ME else UUID(chosen) if chosen else None


def defaults(changes: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """What a new ticket begins with."""
    found = {name: changes[name] for name in DEFAULTS if changes.get(name) is not None}
    if changes.get("add_tags"):
        found["tags"] = changes["add_tags"]
    if changes.get("assignee_id"):
        found["assignee_id"] = person(changes["assignee_id"], caller)
    return found


def named(request: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """What texts can name of a request."""
    facts = {
        f"ticket.{camel(name)}": request.get(name)
        for name in ("subject", "priority", "severity", "category", "sla_tier")
    }
    return {**facts, "customer.email": request["customer_email"], "agent.name": caller.actor.name}


def completed(whole: dict[str, Any]) -> NewTicket:
    """A request with nothing missing. Raises Invalid, naming each field by its pointer."""
    whole = {name: value for name, value in whole.items() if value or name not in ("subject", "description")}
    try:
        return NewTicket.model_validate(whole, by_name=True, by_alias=False)
    except ValidationError as error:
        errors = [
            {
                "pointer": "/" + "/".join(camel(str(step)) for step in each["loc"]),
                "code": each["type"],
                "detail": in_words(each["type"], each["msg"], each.get("ctx", {})),
            }
            for each in error.errors()
        ]
        raise Invalid("The request, completed by the template, cannot be accepted.", errors) from None


async def said(session: AsyncConnection, row: Row, values: dict[str, str]) -> AddComment | None:
    """The comment of a macro; an internal one calls the colleagues whom its own text names, not those in what is filled in."""
    if row["body"] is None:
        return None
    text = render(row["body"], values)
    if not text.strip() or len(text) > LONGEST_BODY:
        raise UnfitTemplate("Filled in for this ticket, the template's body is blank, or too long.")
    more: dict[str, Any] = {}
    if row["internal"]:
        more["internal"] = True
        if called := await colleagues_called(session, row["body"]):
            more["mentions"] = called
    return AddComment(comment_id=UUID(int=0), body=text, **more)


def assembled(
    row: Row, changes: dict[str, Any], comment: AddComment | None, caller: Caller, versions: tuple[int, ...] | None
) -> ApplyMacro:
    """The command; only what is set travels."""
    patch = {name: value for name, value in changes.items() if name not in ASIDE}
    if "assignee_id" in patch:
        patch["assignee_id"] = person(patch["assignee_id"], caller)
    if versions is not None:
        patch["expected_versions"] = versions
    parts: dict[str, Any] = {
        "change": ChangeTicket.model_validate(patch) if patch else None,
        "comment": comment,
        "add_tags": tuple(changes.get("add_tags") or ()),
        "remove_tags": tuple(changes.get("remove_tags") or ()),
        "set_fields": changes.get("fields"),
    }
    return ApplyMacro(template_id=row["id"], name=row["name"], **{name: part for name, part in parts.items() if part})
