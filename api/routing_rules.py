"""Routing rules over HTTP: where new tickets go, and how a team's tickets find an agent."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from api.constraints import NameTaken, UnknownReference
from api.dependencies import Agent, IfMatch, Lead, PageQuery, Session
from api.errors import refusals
from api.paging import Page
from api.records import Once, fresh, new_id, refuse_unknown
from api.responses import reply
from api.routing import Area
from api.schemas.routing import ChangeRoutingRule, CreateRoutingRule, RoutingRuleView
from db.positions import Row, keys, place
from db.references import References
from db.routing_rules import RULES, make_room, move_revision
from domain.process import Conflict, KeyReused, NotFound, Stale

router = Area(prefix="/api/routing-rules", tags=["Tickets"])

SORT: Final = "position"
MOST_RULES: Final = 200
"""Each new ticket is held against all of them."""


class TooManyRoutingRules(Conflict):
    """A tenant has as many rules as it may have."""

    def __init__(self) -> None:
        super().__init__(f"A tenant has at most {MOST_RULES} routing rules.")


@router.post(
    "",
    status_code=201,
    response_model=RoutingRuleView,
    responses=refusals(UnknownReference, NameTaken, TooManyRoutingRules, KeyReused),
)
async def create_routing_rule(body: CreateRoutingRule, lead: Lead, session: Session, once: Once) -> Response:
    """Add a rule; tickets created from now on follow it."""
    await move_revision(session)
    last, number = await RULES.measure(session)
    if number >= MOST_RULES:
        raise TooManyRoutingRules
    await refuse_unknown(session, named(body))
    values = {"id": new_id(), **written(body), "position": body.position or last + 1}
    await make_room(session, values["position"], values["id"])
    await RULES.add(session, values)
    view = shown(await RULES.find(session, values["id"]))
    return await once.reply(view, version=view.version, location=f"{router.prefix}/{view.id}")


@router.get("", response_model=Page[RoutingRuleView])
async def list_routing_rules(
    agent: Agent,
    session: Session,
    page: PageQuery,
    active: Annotated[bool | None, Query(description="Only rules in force, or only others.")] = None,
) -> Response:
    """The rules in the order in which they are looked at."""
    rows = await RULES.page(session, count=page.count, after=place(page.after(SORT)), active=active)
    return reply(page.page(rows, shown, SORT, keys))


@router.get("/{routing_rule_id}", response_model=RoutingRuleView, responses=refusals(NotFound))
async def get_routing_rule(routing_rule_id: UUID, agent: Agent, session: Session) -> Response:
    """One rule."""
    view = shown(await RULES.find(session, routing_rule_id))
    return reply(view, version=view.version)


@router.patch(
    "/{routing_rule_id}",
    response_model=RoutingRuleView,
    responses=refusals(UnknownReference, NameTaken, NotFound, Stale),
)
async def change_routing_rule(
    routing_rule_id: UUID, body: ChangeRoutingRule, lead: Lead, session: Session, accepted: IfMatch
) -> Response:
    """Change a rule. Tickets that wait in its team's queue keep what it said when it sent them there."""
    await move_revision(session)
    before = existing(await RULES.find(session, routing_rule_id, lock=True))
    fresh(before["version"], accepted)
    await refuse_unknown(session, named(body))
    if body.position is not None and body.position != before["position"]:
        await make_room(session, body.position, routing_rule_id)
    await RULES.change(session, before, written(body))
    view = shown(await RULES.find(session, routing_rule_id))
    return reply(view, version=view.version)


@router.delete("/{routing_rule_id}", status_code=204, response_class=Response, responses=refusals(NotFound, Stale))
async def delete_routing_rule(routing_rule_id: UUID, lead: Lead, session: Session, accepted: IfMatch) -> Response:
    """Delete a rule."""
    await move_revision(session)
    before = existing(await RULES.find(session, routing_rule_id, lock=True))
    fresh(before["version"], accepted)
    await RULES.delete(session, routing_rule_id)
    return Response(status_code=204)


def written(body: CreateRoutingRule | ChangeRoutingRule) -> dict[str, Any]:
    """The columns that a body sets."""
    sent = body.model_fields_set if isinstance(body, ChangeRoutingRule) else type(body).model_fields.keys()
    found = {name: getattr(body, name) for name in sent - {"tenant_id"}}
    if "condition" in found:
        found["condition"] = body.condition.model_dump(mode="json", by_alias=False)
    return found


def named(body: CreateRoutingRule | ChangeRoutingRule) -> References:
    """What a rule speaks of."""
    found: dict[tuple[str, str], Any] = {("/teamId", "team"): body.team_id}
    if body.condition is not None:
        for index, mailbox in enumerate(body.condition.mailbox_ids):
            found[f"/condition/mailboxIds/{index}", "mailbox"] = mailbox
    return found


def existing(row: Row | None) -> Row:
    """A rule that exists. Raises NotFound."""
    if row is None:
        raise NotFound("There is no such routing rule.")
    return row


def shown(row: Row | None) -> RoutingRuleView:
    """A rule to show. Raises NotFound."""
    return RoutingRuleView.model_validate(dict(existing(row)), by_name=True)
