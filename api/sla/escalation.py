"""Escalation rules over HTTP: each change is a version, and all that are in force must fit together."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from starlette.responses import Response

from api.constraints import UnknownReference
from api.dependencies import Agent, IfMatch, Lead, PageQuery, Session
from api.errors import refusals
from api.paging import Page
from api.records import Once, fresh, new_id, refuse_unknown
from api.responses import reply
from api.routing import Area
from api.schemas.sla.escalation import ChangeRule, CreateRule, NotifyBody, PageBody, ReassignBody, RuleView, kept
from api.sla.reapplication import recount
from api.sla.versions import InForce, versions_page
from db.references import References
from db.sla.escalation import RULES, Place, last_position, list_rules, rules_in_force
from db.versions import Row, lock_policy
from domain.process import KeyReused, NotFound
from domain.sla.escalation import Rule, RulesLoop, TooManyRules, fit_together

router = Area(prefix="/api/escalation-rules", tags=["SLA"])

SORT: Final = "position"
PARTS: Final = ("trigger", "condition", "actions", "repeat")
KIND_OF: Final = {"USER": "colleague", "TEAM": "team"}


@router.post(
    "",
    status_code=201,
    response_model=RuleView,
    responses=refusals(UnknownReference, RulesLoop, TooManyRules, KeyReused),
)
async def create_escalation_rule(body: CreateRule, lead: Lead, session: Session, once: Once) -> Response:
    """Add a rule. Decisions on tickets look at it from now on."""
    await lock_policy(session)
    await refuse_unknown(session, named(body))
    values = {"id": new_id(), **written(body)}
    values["position"] = body.position or await last_position(session) + 1
    await RULES.add(session, values, lead.id)
    await refuse_unfit(session)
    await recount(session, lead.actor)
    view = shown(await RULES.find(session, values["id"]))
    return await once.reply(view, version=view.version, location=f"{router.prefix}/{view.id}")


@router.get("", response_model=Page[RuleView])
async def list_escalation_rules(agent: Agent, session: Session, page: PageQuery, active: InForce = True) -> Response:
    """The rules of this tenant in the order in which they are looked at."""
    rows = await list_rules(session, count=page.count, after=place(page.after(SORT)), active=active)
    return reply(page.page(rows, shown, SORT, keys))


@router.get("/{rule_id}", response_model=RuleView)
async def get_escalation_rule(rule_id: UUID, agent: Agent, session: Session) -> Response:
    """One rule, also one that has ended."""
    view = shown(await RULES.find(session, rule_id))
    return reply(view, version=view.version)


@router.patch("/{rule_id}", response_model=RuleView, responses=refusals(UnknownReference, RulesLoop, TooManyRules))
async def change_escalation_rule(
    rule_id: UUID, body: ChangeRule, lead: Lead, session: Session, accepted: IfMatch
) -> Response:
    """Write a rule's next version. What it has done already is not done again."""
    await lock_policy(session)
    before = existing(await RULES.find(session, rule_id, lock=True))
    fresh(before["version"], accepted)
    await refuse_unknown(session, named(body))
    if await RULES.change(session, before, written(body), lead.id):
        await refuse_unfit(session)
        await recount(session, lead.actor)
    view = shown(await RULES.find(session, rule_id))
    return reply(view, version=view.version)


@router.delete("/{rule_id}", status_code=204, response_class=Response)
async def end_escalation_rule(rule_id: UUID, lead: Lead, session: Session, accepted: IfMatch) -> Response:
    """End a rule; its versions stay."""
    await lock_policy(session)
    before = existing(await RULES.find(session, rule_id, lock=True))
    fresh(before["version"], accepted)
    await RULES.end(session, before, lead.id)
    await recount(session, lead.actor)
    return Response(status_code=204)


@router.get("/{rule_id}/versions", response_model=Page[RuleView])
async def list_escalation_rule_versions(rule_id: UUID, agent: Agent, session: Session, page: PageQuery) -> Response:
    """Every version of a rule, the newest first."""
    existing(await RULES.find(session, rule_id))
    return reply(await versions_page(RULES, session, rule_id, page, shown))


def written(body: CreateRule | ChangeRule) -> dict[str, Any]:
    """The columns that a body sets."""
    sent = body.model_fields_set if isinstance(body, ChangeRule) else type(body).model_fields.keys() - {"position"}
    return {name: kept(getattr(body, name)) if name in PARTS else getattr(body, name) for name in sent - {"tenant_id"}}


def named(body: CreateRule | ChangeRule) -> References:
    """Who and what a rule speaks of."""
    found: dict[tuple[str, str], UUID | None] = {}
    for index, team in enumerate(body.condition.team_ids if body.condition else ()):
        found[f"/condition/teamIds/{index}", "team"] = team
    for index, action in enumerate(body.actions or ()):
        place = f"/actions/{index}"
        match action:
            case NotifyBody(to="USER" | "TEAM"):
                found[f"{place}/id", KIND_OF[action.to]] = action.id
            case ReassignBody():
                found[f"{place}/assigneeId", "colleague"] = action.assignee_id
                found[f"{place}/teamId", "team"] = action.team_id
            case PageBody():
                found[f"{place}/policyId", "policy"] = action.policy_id
            case _:
                pass
    return found


async def refuse_unfit(session: Session) -> None:
    """Refuse what has just been written when the rules in force no longer fit together. Raises RulesLoop, TooManyRules."""
    fit_together([rule(row) for row in await rules_in_force(session)])


def rule(row: Row) -> Rule:
    """A rule as decisions read it."""
    return Rule.model_validate({name: row[name] for name in ("id", "version", "name", *PARTS)})


def place(seen: list[Any] | None) -> Place | None:
    """Where the page before ended."""
    return None if seen is None else (seen[0], datetime.fromisoformat(seen[1]), UUID(seen[2]))


def keys(row: Row) -> list[str | int | None]:
    """A rule's place in the order."""
    return [row["position"], row["created_at"].isoformat(), str(row["id"])]


def existing(row: Row | None) -> Row:
    """A rule that exists. Raises NotFound."""
    if row is None:
        raise NotFound("There is no such escalation rule.")
    return row


def shown(row: Row | None) -> RuleView:
    """A rule to show. Raises NotFound."""
    return RuleView.model_validate(dict(existing(row)), by_name=True)
