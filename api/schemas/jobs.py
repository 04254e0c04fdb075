"""Jobs on the wire."""

from typing import Annotated, Any

from pydantic import Field

from api.schemas.common import Resource, View
from domain.jobs import JobState


class FailureView(View):
    """An item that could not be done, and why."""

    id: str
    detail: str


class JobView(Resource):
    """Work that goes on in the background. `done` counts items, failed ones included; `total` is null until it is known.
    Of a DONE job both are the same, for an item that needs nothing any more is done.

    `failures` tells the first five hundred. A FAILED job says in `result.error` what ended it.
    """

    kind: Annotated[str, Field(examples=["SIMULATION"])]
    state: JobState
    done: int
    total: int | None
    failures: list[FailureView]
    result: dict[str, Any] | None
    requested_by: str
