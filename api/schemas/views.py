"""Saved views on the wire: the ticket list's own filters, kept under a name."""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StrictBool, ValidationError, create_model
from pydantic_core import PydanticCustomError

from api.cells import columns
from api.schemas.common import Body, Line, OwnTenant, Resource, View, left_out
from api.schemas.ticket_templates import ME, Assignee
from api.schemas.tickets import SORT, TicketQuery, TicketView
from domain.tickets.fields import KEY

MOST_COLUMNS: Final = 60
ASIDE: Final = frozenset({"sort", "limit", "cursor"})
"""Parameters of the list that are no filters."""

SHOWN: Final = frozenset(column.name for column in columns(TicketView))


def column(name: str) -> str:
    """`name`, when the ticket list has such a column."""
    prefix, _, key = name.partition(".")
    if name not in SHOWN and not (prefix == "fields" and KEY.fullmatch(key)):
        raise PydanticCustomError("column", "is no column of the ticket list")
    return name


def unique(names: list[str]) -> list[str]:
    """Names in the order given, each once."""
    return list(dict.fromkeys(names))


FILTERS: Final[dict[str, Any]] = {
    name: (list[Assignee] if name == "assignee_id" else field.rebuild_annotation(), field)
    for name, field in TicketQuery.model_fields.items()
    if name not in ASIDE
}
ViewFilters: Any = create_model(
    "ViewFilters",
    __base__=Body,
    __doc__="The filters of `GET /api/tickets`; in `assigneeId`, `me` is whoever looks.",
    **FILTERS,
)
"""Made of the list's parameters, so that a new filter of the list is one of views at once."""

Columns = Annotated[
    list[Annotated[str, Field(max_length=100, examples=["number"]), AfterValidator(column)]],
    Field(
        min_length=1,
        max_length=MOST_COLUMNS,
        description="What to show, in this order: the list's fields by their names, such as `sla.state` or `fields.region`.",
    ),
    AfterValidator(unique),
]
Shared = Annotated[StrictBool, Field(description="Whether all of the staff see it.")]
TeamId = Annotated[UUID | None, Field(description="A team whose members see it, also where it is not shared.")]

EXAMPLE: Final[dict[str, Any]] = {
    "name": "Mine, by deadline",
    "filters": {"assigneeId": [ME], "status": ["OPEN", "IN_PROGRESS"]},
    "sort": "nextDeadline",
    "columns": ["number", "subject", "sla.state"],
}


class CreateView(Body):
    """A view to come back to."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    tenant_id: OwnTenant | None = None
    name: Line
    filters: ViewFilters = ViewFilters()
    sort: SORT = "-createdAt"
    columns: Columns | None = None
    shared: Shared = False
    team_id: TeamId = None


class ChangeView(Body):
    """What to change; what is left out stays, `filters` are replaced as a whole."""

    name: Line = left_out()
    filters: ViewFilters = left_out()
    sort: SORT = left_out()
    columns: Columns | None = None
    shared: Shared = left_out()
    team_id: TeamId = None


class ViewView(Resource):
    """A saved view; `mine` are the caller's own, `editable` ones the caller may change."""

    name: str
    owner_id: UUID
    filters: dict[str, Any] = Field(description="As they were written: only what was said.")
    sort: str
    columns: list[str] | None
    shared: bool
    team_id: UUID | None
    mine: bool
    editable: bool


class ViewCount(View):
    """How many tickets a view has now; `more` says that there are more than were counted."""

    view_id: UUID
    count: int | None = Field(description="Null when counting took too long; ask again later, or narrow the view.")
    more: bool


class ViewCounts(View):
    """The number of tickets of each view."""

    data: list[ViewCount]


def query_of(filters: Mapping[str, Any], sort: str, reader: UUID, limit: int, cursor: str | None) -> TicketQuery | None:
    """The list that a view stands for, as its reader sees it; None when the list takes such filters no longer."""
    chosen = dict(filters)
    if "assigneeId" in chosen:
        chosen["assigneeId"] = [str(reader) if each == ME else each for each in chosen["assigneeId"]]
    try:
        return TicketQuery.model_validate({**chosen, "sort": sort, "limit": limit, "cursor": cursor})
    except ValidationError:
        return None
