"""The definitions of custom fields on the wire."""

from typing import Annotated, Any, Final

from pydantic import AfterValidator, ConfigDict, Field, StrictBool, StrictInt, StringConstraints

from api.schemas.common import Body, Line, OwnTenant, Resource, Word, left_out
from domain.tickets.fields import CHOICES, KEY, FieldType

MOST_OPTIONS: Final = 200
LAST_POSITION: Final = 1_000_000


def unique(options: list[str]) -> list[str]:
    """Options in the order given, each once."""
    return list(dict.fromkeys(options))


Key = Annotated[
    str,
    StringConstraints(pattern=f"^{KEY.pattern}$"),
    Field(description="How the field is called in `fields` of a ticket.", examples=["region"]),
]
Options = Annotated[
    list[Word],
    Field(max_length=MOST_OPTIONS, description="What SELECT and MULTISELECT choose from.", examples=[["EU", "US"]]),
    AfterValidator(unique),
]
Required = Annotated[
    StrictBool,
    Field(description="Whoever writes a ticket's fields must give it; customers only where they may fill it in."),
]
Visible = Annotated[StrictBool, Field(description="Whether customers see its values.")]
Editable = Annotated[StrictBool, Field(description="Whether customers fill it in when they open a ticket.")]
Position = Annotated[StrictInt, Field(ge=1, le=LAST_POSITION, description="Of equal ones the older comes first.")]

EXAMPLE: Final[dict[str, Any]] = {
    "key": "region",
    "label": "Region",
    "type": "SELECT",
    "options": ["EU", "US"],
    "required": True,
    "customerVisible": True,
    "customerEditable": True,
}


class CreateField(Body):
    """A new custom field; without a position it is the last one. From the first active one on, tickets take no others."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    tenant_id: OwnTenant | None = None
    key: Key
    label: Line
    type: FieldType
    options: Options = []
    required: Required = False
    customer_visible: Visible = False
    customer_editable: Editable = False
    position: Position | None = None
    active: StrictBool = True


class ChangeField(Body):
    """What to change; what is left out stays. Key and type cannot change: values of old tickets would mean something else."""

    label: Line = left_out()
    options: Options = left_out()
    required: Required = left_out()
    customer_visible: Visible = left_out()
    customer_editable: Editable = left_out()
    position: Position = left_out()
    active: StrictBool = left_out()


class FieldView(Resource):
    """A custom field. Customers see the active ones that are visible to them."""

    key: str
    label: str
    type: FieldType
    options: list[str]
    required: bool
    customer_visible: bool
    customer_editable: bool
    position: int
    active: bool


def options_fault(kind: FieldType, options: list[str]) -> str:
    """What is wrong with the options of a type; nothing when they fit."""
    if kind in CHOICES:
        return "" if options else "must name what there is to choose from"
    return "are only for SELECT and MULTISELECT" if options else ""
