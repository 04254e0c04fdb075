"""Ratings on the wire."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from api.schemas.common import Body, Instant, OwnTenant, Resource, View, storable

Score = Annotated[int, Field(ge=1, le=5, strict=True, description="From 1, very poor, to 5, very good.")]
Remark = Annotated[str, StringConstraints(strip_whitespace=True, max_length=4000), AfterValidator(storable)]


class NewRating(Body):
    """How a ticket was resolved, as the customer sees it; said once for each resolution."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"score": 5, "comment": "Quick and kind."}]})

    tenant_id: OwnTenant | None = None
    score: Score
    comment: Remark | None = None


class SurveyAnswer(Body):
    """The same from the page behind a mail's link, where nobody is signed in."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"score": 4}]})

    score: Score
    comment: Remark | None = None


class Rater(View):
    """Who rated; the id is null for whoever followed the link of the mail."""

    id: UUID | None
    name: str


class RatingView(Resource):
    """A rating. It belongs to one resolution of a ticket and never changes; assignee and team are those of that moment."""

    ticket_id: UUID
    ticket_number: str = Field(examples=["SUP-1042"])
    resolution: int = Field(description="Which of the ticket's resolutions: the first is 1.")
    score: Score
    comment: str | None
    rated_by: Rater
    assignee_id: UUID | None
    team_id: UUID | None


class Thanks(View):
    """What a rating by link was taken as."""

    score: Score
    comment: str | None


class RatingQuery(Body):
    """Filters and page of the list; the period is half open, and a repeated filter means any of its values."""

    since: Annotated[Instant | None, Field(alias="from")] = None
    until: Annotated[Instant | None, Field(alias="to")] = None
    assignee_id: list[UUID] = []
    team_id: list[UUID] = []
    score: list[Annotated[int, Field(ge=1, le=5)]] = []
    limit: Annotated[int, Field(ge=1, le=100)] = 25
    cursor: Annotated[str, Field(max_length=500)] | None = None
