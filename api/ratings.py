"""How customers rate what was done for them: in the portal, or by the link of a mail; once for each resolution."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Path, Query, Request
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.dependencies import Agent, App, PageQuery, Principal, Session, page_of
from api.errors import refusals
from api.paging import BadCursor, Page
from api.records import Once, new_id
from api.responses import reply
from api.routing import Area
from api.schemas.ratings import NewRating, RatingQuery, RatingView, SurveyAnswer, Thanks
from db.engine import tenant_transaction
from db.ratings import RatingFilters, add_rating, list_ratings, lock_ticket, mail_key, tell_of_rating
from db.tickets.reads import find_ticket
from domain.process import Forbidden, KeyReused, NotFound
from domain.ratings import LOW, AlreadyRated, NotRateable, read_survey, resolution_of, unknown_survey
from domain.sla.compliance import BadPeriod, ordered

router = Area(tags=["Ratings"])

TicketId = Annotated[UUID, Path(description="The ticket's id.")]
Token = Annotated[str, Path(max_length=200, description="What follows # in the link of the mail.")]

WHERE: Final = ({"parameter": "from"}, {"parameter": "to"})


class StaffCannotRate(Forbidden):
    """Only customers rate."""

    def __init__(self) -> None:
        super().__init__("Only customers rate how their tickets were resolved.")


@router.post(
    "/api/tickets/{ticket_id}/rating",
    status_code=201,
    response_model=RatingView,
    responses=refusals(StaffCannotRate, AlreadyRated, NotRateable, KeyReused),
)
async def rate_ticket(
    ticket_id: TicketId, body: NewRating, caller: Principal, session: Session, once: Once
) -> Response:
    """Rate the latest resolution of a ticket, once. A ticket that is reopened and resolved again can be rated again."""
    if await find_ticket(session, caller.actor, ticket_id) is None:
        raise NotFound("There is no such ticket.")
    if caller.actor.staff:
        raise StaffCannotRate
    by = {"rated_by": caller.id, "rated_by_name": caller.actor.name}
    row = await rate(session, ticket_id, body.score, body.comment, by)
    # No Location: ratings are read by the staff, and whoever rates sees the score at the ticket.
    return await once.reply(rating_view(row), 201)


@router.get("/api/tickets/{ticket_id}/ratings", response_model=Page[RatingView])
async def list_ticket_ratings(ticket_id: TicketId, agent: Agent, session: Session, page: PageQuery) -> Response:
    """The ratings of a ticket, the latest first: one for each resolution at most."""
    if await find_ticket(session, agent.actor, ticket_id) is None:
        raise NotFound("There is no such ticket.")
    filters = RatingFilters(ticket_id=ticket_id)
    rows = await list_ratings(session, filters, count=page.count, after=page.after_newest())
    return reply(page.page(rows, rating_view))


@router.get("/api/ratings", response_model=Page[RatingView], responses=refusals(BadCursor, BadPeriod))
async def get_ratings(
    request: Request, query: Annotated[RatingQuery, Query()], agent: Agent, session: Session
) -> Response:
    """What customers thought, the latest first."""
    ordered(query.since, query.until, *WHERE)
    page = page_of(request, query.limit, query.cursor)
    filters = RatingFilters(query.since, query.until, query.assignee_id, query.team_id, query.score)
    rows = await list_ratings(session, filters, count=page.count, after=page.after_newest())
    return reply(page.page(rows, rating_view))


@router.post(
    "/api/ratings/{token}",
    status_code=201,
    response_model=Thanks,
    responses=refusals(NotFound, AlreadyRated, NotRateable),
)
async def rate_by_link(token: Token, body: SurveyAnswer, app: App) -> Response:
    """Rate the resolution that a mail told of, once, with the token of its link. Following the link itself rates nothing."""
    survey = read_survey(token)
    async with tenant_transaction(app.engine, survey.tenant_id) as session:
        key = await mail_key(session, survey.tenant_id)
        if key is None or not survey.genuine(key):
            raise unknown_survey()
        by = {"rated_by": None, "rated_by_name": ""}
        row = await rate(session, survey.ticket_id, body.score, body.comment, by, survey.resolution)
    return reply(Thanks(score=row["score"], comment=row["comment"]), 201)


async def rate(
    session: AsyncConnection,
    ticket_id: UUID,
    score: int,
    comment: str | None,
    by: dict[str, Any],
    resolution: int | None = None,
) -> RowMapping:
    """Write a rating with what tells of it. Raises NotRateable; the database refuses a second one as AlreadyRated."""
    ticket = await lock_ticket(session, ticket_id)
    if ticket is None:
        raise unknown_survey()
    stands = resolution_of(dict(ticket))
    if resolution not in (None, stands):
        raise NotRateable
    name = by["rated_by_name"] or ticket["customer_email"]
    what = {"id": new_id(), "resolution": stands, "score": score, "comment": comment or None}
    row = await add_rating(session, ticket, {**by, **what, "rated_by_name": name})
    if score <= LOW:
        told = {"number": ticket["number"], "score": score, "customer": name, "remark": row["comment"]}
        await tell_of_rating(session, row, new_id(), responsible(ticket), told)
    return row


def responsible(ticket: RowMapping) -> str:
    """Who hears of a bad rating: the assignee, else whoever leads the team, else who leads at all."""
    if ticket["assignee_id"]:
        return str(ticket["assignee_id"])
    return f"lead:{ticket['team_id']}" if ticket["team_id"] else "role:LEAD"


def rating_view(row: RowMapping) -> RatingView:
    """A rating to show."""
    return RatingView.model_validate(
        {
            **{name: row[name] for name in SHOWN},
            "updated_at": row["created_at"],
            "version": 1,
            "ticket_number": f"SUP-{row['number']}",
            "rated_by": {"id": row["rated_by"], "name": row["rated_by_name"]},
        },
        by_name=True,
    )


SHOWN: Final = ("id", "ticket_id", "resolution", "score", "comment", "assignee_id", "team_id", "created_at")
