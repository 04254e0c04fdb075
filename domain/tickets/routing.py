"""Where a ticket goes: the first rule that fits names the team, and the team's agent with the most room gets it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from domain.customers import ContactChannel, Tier
from domain.process import Frozen
from domain.tickets.model import Method, Priority, Route, Severity

LONG_AGO: Final = datetime(1, 1, 1, tzinfo=UTC)


class Condition(Frozen):
    """Which tickets a rule is for: each list that is given must hold the ticket's value; words are compared without case."""

    categories: tuple[str, ...] = ()
    tiers: tuple[Tier, ...] = ()
    languages: tuple[str, ...] = ()
    channels: tuple[ContactChannel, ...] = ()
    priorities: tuple[Priority, ...] = ()
    severities: tuple[Severity, ...] = ()
    tags: tuple[str, ...] = ()
    mailbox_ids: tuple[UUID, ...] = ()


class Rule(Frozen):
    """A routing rule in force."""

    id: UUID
    name: str
    condition: Condition = Condition()
    team_id: UUID
    skills: tuple[str, ...] = ()
    method: Method = Method.LEAST_LOADED


class Traits(Frozen):
    """What rules look at in a ticket."""

    category: str | None = None
    tier: Tier
    language: str | None = None
    channel: ContactChannel
    priority: Priority
    severity: Severity
    tags: tuple[str, ...] = ()
    mailbox_id: UUID | None = None


class Candidate(Frozen):
    """A member of the team who is available: `load` counts the open tickets that they have, in all teams."""

    user_id: UUID
    skills: tuple[str, ...] = ()
    capacity: int
    load: int
    assigned_at: datetime | None = None


class Queue(Frozen):
    """A team as an assignment finds it, its row locked; `waiting` says whether others wait whom somebody could take."""

    team_id: UUID
    candidates: tuple[Candidate, ...] = ()
    waiting: bool = False


def fitting(rules: Iterable[Rule], traits: Traits, team_id: UUID | None = None) -> Rule | None:
    """The first rule whose condition the ticket meets; with `team_id`, of those that lead to this team."""
    return next(
        (rule for rule in rules if team_id in (None, rule.team_id) and meets(rule.condition, traits)),
        None,
    )


def meets(condition: Condition, traits: Traits) -> bool:
    """Whether a ticket is one that the condition is for. A language also stands for its regions: `de` for `de-AT`."""
    language = (traits.language or "").casefold()
    tongues = {language, language.partition("-")[0]}
    tags = _folded(traits.tags)
    return (
        (not condition.categories or (traits.category or "").casefold() in _folded(condition.categories))
        and (not condition.tiers or traits.tier in condition.tiers)
        and (not condition.languages or bool(tongues & _folded(condition.languages)))
        and (not condition.channels or traits.channel in condition.channels)
        and (not condition.priorities or traits.priority in condition.priorities)
        and (not condition.severities or traits.severity in condition.severities)
        and (not condition.tags or bool(tags & _folded(condition.tags)))
        and (not condition.mailbox_ids or traits.mailbox_id in condition.mailbox_ids)
    )


def route_of(rule: Rule) -> Route:
    """What a ticket keeps of the rule that sent it, skills without case: the database looks for them too."""
    return Route(rule_id=rule.id, method=rule.method, skills=tuple(dict.fromkeys(map(str.casefold, rule.skills))))


def choose(candidates: Sequence[Candidate], route: Route) -> UUID | None:
    """Who of those with room and with all the skills gets the next ticket, but for who gave it back; None when nobody has room.

    LEAST_LOADED: whose load is the smallest share of their capacity. ROUND_ROBIN, and where that is equal: whom the queue has
    given nothing for longest.
    """
    if route.method is Method.MANUAL:
        return None
    needed = _folded(route.skills)
    able = [
        each
        for each in candidates
        if each.load < each.capacity and needed <= _folded(each.skills) and each.user_id not in route.declined_by
    ]
    if not able:
        return None
    if route.method is Method.ROUND_ROBIN:
        return min(able, key=lambda each: (each.assigned_at or LONG_AGO, each.user_id)).user_id
    return min(able, key=lambda each: (each.load / each.capacity, each.assigned_at or LONG_AGO, each.user_id)).user_id


def _folded(words: Iterable[str]) -> set[str]:
    return {word.casefold() for word in words}
