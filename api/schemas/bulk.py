"""A change of many tickets on the wire."""

from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StrictBool
from pydantic_core import PydanticCustomError

from api.schemas.common import Body, OwnTenant, left_out
from api.schemas.tickets import Description, Tags, TicketPatch

MOST: Final = 500

EXAMPLE: Final[dict[str, Any]] = {
    "ids": ["0195f3a0-0000-7000-8000-000000000001", "0195f3a0-0000-7000-8000-000000000002"],
    "patch": {"status": "RESOLVED", "reason": "The outage is over."},
    "comment": {"body": "The outage is over; please tell us if you still see errors."},
}


def unique(ids: list[UUID]) -> list[UUID]:
    """`ids`, when each comes once."""
    if len(set(ids)) < len(ids):
        raise PydanticCustomError("unique", "must name each ticket once")
    return ids


class BulkComment(Body):
    """What to say on each ticket, to its customer unless `internal`."""

    body: Description
    internal: StrictBool = False


class BulkBody(Body):
    """Many tickets, and what to do with each of them: a change as for PATCH, tags to add or remove, a comment, all in one decision."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    tenant_id: OwnTenant | None = None
    ids: Annotated[
        list[UUID],
        Field(min_length=1, max_length=MOST, json_schema_extra={"uniqueItems": True}),
        AfterValidator(unique),
    ]
    patch: TicketPatch = TicketPatch()
    add_tags: Tags = left_out()
    remove_tags: Tags = left_out()
    comment: BulkComment | None = None
