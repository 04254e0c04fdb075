"""Ticket templates on the wire: texts with variables, and what a macro changes."""

from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from api.schemas.common import Body, JsonObject, Line, OwnTenant, Resource, View, Word, left_out, storable
from api.schemas.tickets import Description, Reason, Subject, Tags
from domain.customers import Tier
from domain.tickets.model import Priority, Severity, Status
from domain.tickets.templates import VARIABLES, faults

ME: Final = "me"
LAST_POSITION: Final = 1_000_000

VARIABLES_HELP: Final = "In double braces a text names " + "; ".join(
    [*(f"`{name}`: {what}" for name, what in VARIABLES.items()), "`ticket.fields.<key>`: a custom field"]
)


def template(text: str) -> str:
    """`text`, when all that its double braces name is known."""
    found = faults(text)
    if found:
        raise PydanticCustomError("variable", "{detail}", {"detail": "; ".join(found)[:1000]})
    return text


def assignee(text: str) -> str:
    """An id, or `me`."""
    if text == ME:
        return text
    try:
        return str(UUID(text))
    except ValueError:
        raise PydanticCustomError("uuid_parsing", "must be a UUID or me") from None


Assignee = Annotated[
    str,
    AfterValidator(assignee),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "uuid"}, {"type": "string", "const": ME}]}),
]
"""Somebody's id; `me` is whoever asks."""

SubjectText = Annotated[Subject, AfterValidator(template), Field(description=VARIABLES_HELP)]
BodyText = Annotated[Description, AfterValidator(template), Field(description=VARIABLES_HELP)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000), AfterValidator(storable)]
Position = Annotated[StrictInt, Field(ge=1, le=LAST_POSITION, description="Of equal ones the older comes first.")]

EXAMPLE: Final[dict[str, Any]] = {
    "name": "Ask for the log",
    "body": "Dear {{ customer.name }},\n\nplease send us the log of {{ ticket.fields.host }}.\n\n{{ agent.name }}",
    "changes": {"status": "PENDING_CUSTOMER", "assigneeId": ME, "addTags": ["log"]},
}


class TemplateChanges(Body):
    """What a macro changes: only what is said; `null` clears category, assignee and team. `fields` are laid over the ticket's."""

    status: Status = left_out()
    priority: Priority = left_out()
    severity: Severity = left_out()
    category: Word | None = None
    sla_tier: Tier = left_out()
    assignee_id: Assignee | None = None
    team_id: UUID | None = None
    tags: Tags = left_out()
    add_tags: Tags = left_out()
    remove_tags: Tags = left_out()
    fields: JsonObject = left_out()
    reason: Reason = left_out()

    @field_validator("add_tags", "remove_tags")
    @classmethod
    def _change_the_tags_in_one_way(cls, tags: list[str], info: ValidationInfo) -> list[str]:
        if info.data.get("tags") is not None:
            raise PydanticCustomError("tags", "cannot be used beside tags, which replaces them all")
        if info.field_name == "remove_tags" and set(tags) & set(info.data.get("add_tags") or ()):
            raise PydanticCustomError("tags", "must not hold what addTags holds")
        return tags


class CreateTemplate(Body):
    """A new template; with `changes` it is a macro. Without a position it is the last one."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    tenant_id: OwnTenant | None = None
    name: Line
    description: Note | None = None
    subject: SubjectText | None = None
    body: BodyText | None = None
    internal: Annotated[StrictBool, Field(description="Whether the body is a note among the staff.")] = False
    changes: TemplateChanges | None = None
    position: Position | None = None
    active: StrictBool = True


class ChangeTemplate(Body):
    """What to change; what is left out stays, `changes` is replaced as a whole."""

    name: Line = left_out()
    description: Note | None = None
    subject: SubjectText | None = None
    body: BodyText | None = None
    internal: StrictBool = left_out()
    changes: TemplateChanges | None = None
    position: Position = left_out()
    active: StrictBool = left_out()


class TemplateView(Resource):
    """A text to begin a ticket or a reply with, or a macro."""

    name: str
    description: str | None
    subject: str | None
    body: str | None
    internal: bool
    changes: dict[str, Any] | None = Field(description="As they were written: only what was said.")
    position: int
    active: bool


class MacroView(View):
    """What a template would do to a ticket now: its text filled in, and what it would change."""

    template_id: UUID
    name: str
    body: str | None = Field(description="The comment it would write; null when it writes none.")
    internal: bool
    changes: dict[str, Any]
