"""Escalation rules: what triggers them, which tickets they concern, what they do, and what makes one unfit."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import Field

from domain.customers import Tier
from domain.identity import Role
from domain.process import Conflict, Frozen, Invalid
from domain.sla.clocks import ClockKind
from domain.tickets.model import Priority, Severity, Ticket


class ClockPercent(Frozen):
    """When so much of a clock's target is used up; 100 is the deadline. Without a `clock` it means each of them."""

    type: Literal["CLOCK_PERCENT"] = "CLOCK_PERCENT"
    clock: ClockKind | None = None
    percent: int


class ClockMinutes(Frozen):
    """So many business minutes before (negative) or after a deadline. Before the clock's start is never."""

    type: Literal["CLOCK_MINUTES"] = "CLOCK_MINUTES"
    clock: ClockKind | None = None
    minutes: int


class Created(Frozen):
    """When a ticket is opened."""

    type: Literal["CREATED"] = "CREATED"


class Reopened(Frozen):
    """When a ticket is reopened for the `count`th time."""

    type: Literal["REOPENED"] = "REOPENED"
    count: int


class Silence(Frozen):
    """When the assignee has done nothing on the ticket for so many minutes; an assignment begins anew."""

    type: Literal["SILENCE"] = "SILENCE"
    minutes: int


Trigger = Annotated[ClockPercent | ClockMinutes | Created | Reopened | Silence, Field(discriminator="type")]


class Condition(Frozen):
    """Which tickets a rule is for: of each list that is not empty, one value must be the ticket's."""

    priorities: frozenset[Priority] = frozenset()
    severities: frozenset[Severity] = frozenset()
    tiers: frozenset[Tier] = frozenset()
    categories: frozenset[str] = frozenset()
    team_ids: frozenset[UUID] = frozenset()

    def holds(self, ticket: Ticket) -> bool:
        """Whether the rule is for this ticket as it stands."""
        pairs = (
            (self.priorities, ticket.priority),
            (self.severities, ticket.severity),
            (self.tiers, ticket.sla_tier),
            (self.categories, ticket.category),
            (self.team_ids, ticket.team_id),
        )
        return all(not wanted or value in wanted for wanted, value in pairs)


class Notify(Frozen):
    """Tell somebody: the assignee, the lead of the ticket's team, whoever is on call, a user, a team, or all of a role."""

    type: Literal["NOTIFY"] = "NOTIFY"
    to: Literal["ASSIGNEE", "TEAM_LEAD", "ON_CALL", "USER", "TEAM", "ROLE"]
    id: UUID | None = None
    role: Role | None = None


class Reassign(Frozen):
    """Give the ticket to a user, a team, or both."""

    type: Literal["REASSIGN"] = "REASSIGN"
    assignee_id: UUID | None = None
    team_id: UUID | None = None


class Raise(Frozen):
    """Make the ticket more urgent or more severe; one that is already stays as it is."""

    type: Literal["RAISE"] = "RAISE"
    priority: Priority | None = None
    severity: Severity | None = None


class Page(Frozen):
    """Call out an escalation policy; without one, engineering: the lead of the ticket's team until on-call exists."""

    type: Literal["PAGE"] = "PAGE"
    policy_id: UUID | None = None


class Webhook(Frozen):
    """Send the event `ticket.escalated` to the tenant's webhooks."""

    type: Literal["WEBHOOK"] = "WEBHOOK"


Action = Annotated[Notify | Reassign | Raise | Page | Webhook, Field(discriminator="type")]


class Repeat(Frozen):
    """Fire again, `times` more, as long as nothing has changed."""

    every_minutes: int
    times: int


class Rule(Frozen):
    """One escalation rule as a decision reads it."""

    id: UUID
    version: int = 1
    name: str
    trigger: Trigger
    condition: Condition = Condition()
    actions: tuple[Action, ...]
    repeat: Repeat | None = None


class Fault(Frozen):
    """One thing that is wrong with a rule, and where (a JSON pointer)."""

    pointer: str
    code: str
    detail: str


MOST_PERCENT: Final = 1_000
MOST_MINUTES: Final = 527_040
MOST_TIMES: Final = 100


def faults(rule: Rule) -> list[Fault]:
    """All that is wrong with a rule by itself."""
    return [*_trigger_faults(rule.trigger), *_action_faults(rule), *_repeat_faults(rule.repeat)]


def _bounded(pointer: str, value: int, least: int, most: int) -> Iterator[Fault]:
    if not least <= value <= most:
        yield Fault(pointer=pointer, code="out_of_range", detail=f"must lie between {least} and {most}")


def _trigger_faults(trigger: Trigger) -> Iterator[Fault]:
    match trigger:
        case ClockPercent():
            yield from _bounded("/trigger/percent", trigger.percent, 1, MOST_PERCENT)
        case ClockMinutes():
            yield from _bounded("/trigger/minutes", trigger.minutes, -MOST_MINUTES, MOST_MINUTES)
        case Reopened():
            yield from _bounded("/trigger/count", trigger.count, 1, MOST_TIMES)
        case Silence():
            yield from _bounded("/trigger/minutes", trigger.minutes, 1, MOST_MINUTES)
        case Created():
            return


def _action_faults(rule: Rule) -> Iterator[Fault]:
    if not rule.actions:
        yield Fault(pointer="/actions", code="too_few", detail="does nothing: at least one action is needed")
    for index, action in enumerate(rule.actions):
        pointer = f"/actions/{index}"
        match action:
            case Notify(to="USER" | "TEAM", id=None):
                yield Fault(pointer=f"{pointer}/id", code="missing", detail=f"names the {action.to.lower()} to notify")
            case Notify(to="ROLE", role=None):
                yield Fault(pointer=f"{pointer}/role", code="missing", detail="names the role to notify")
            case Notify(to="ROLE", role=Role.CUSTOMER):
                yield Fault(pointer=f"{pointer}/role", code="role", detail="must be a role of the staff")
            case Notify():
                yield from _beside_the_point(action, pointer)
            case Reassign(assignee_id=None, team_id=None):
                yield Fault(pointer=pointer, code="missing", detail="names an assignee, a team, or both")
            case Raise(priority=None, severity=None):
                yield Fault(pointer=pointer, code="missing", detail="names a priority, a severity, or both")
            case _:
                pass


def _beside_the_point(action: Notify, pointer: str) -> Iterator[Fault]:
    """What a notification names and does not use; whoever wrote it meant something else."""
    if action.id is not None and action.to not in ("USER", "TEAM"):
        yield Fault(pointer=f"{pointer}/id", code="unused", detail="is taken by USER and TEAM only")
    if action.role is not None and action.to != "ROLE":
        yield Fault(pointer=f"{pointer}/role", code="unused", detail="is taken by ROLE only")


def _repeat_faults(repeat: Repeat | None) -> Iterator[Fault]:
    if repeat is not None:
        yield from _bounded("/repeat/everyMinutes", repeat.every_minutes, 1, MOST_MINUTES)
        yield from _bounded("/repeat/times", repeat.times, 1, MOST_TIMES)


def loop(rules: Iterable[Rule]) -> list[Rule]:
    """Rules that would hand a silent ticket round for ever, in order; nothing when there are none.

    Only silence can loop: everything else fires once per cycle, and a handing over begins the next assignee's silence.
    """
    handing = [rule for rule in rules if isinstance(rule.trigger, Silence) and any(_targets(rule))]
    after = {rule.id: [other for other in handing if _reaches(rule, other)] for rule in handing}
    return next(filter(None, (_round_trip(rule, after) for rule in handing)), [])


def _targets(rule: Rule) -> Iterator[Reassign]:
    return (action for action in rule.actions if isinstance(action, Reassign))


def _reaches(rule: Rule, other: Rule) -> bool:
    """Whether `other` can fire on the ticket that `rule` has handed over.

    A rule alone that names one person hands over to the same one again, which begins nothing.
    """
    if other is rule and len({target.assignee_id for target in _targets(rule)} - {None}) < 2:
        return False
    teams = {target.team_id for target in _targets(rule)} - {None}
    if teams and other.condition.team_ids and not teams & other.condition.team_ids:
        return False
    if not teams and rule.condition.team_ids and other.condition.team_ids:
        return bool(rule.condition.team_ids & other.condition.team_ids)
    return True


def _round_trip(start: Rule, after: Mapping[UUID, list[Rule]]) -> list[Rule]:
    """The shortest way back to a rule, each rule looked at once: dense rules have more ways than could be walked."""
    ways: dict[UUID, list[Rule]] = {start.id: [start]}
    waiting = deque(ways.values())
    while waiting:
        way = waiting.popleft()
        for following in after[way[-1].id]:
            if following.id == start.id:
                return way
            if following.id not in ways:
                ways[following.id] = [*way, following]
                waiting.append(ways[following.id])
    return []


MOST_RULES: Final = 100
"""Each decision on a ticket reads them all."""


class TooManyRules(Conflict):
    """There are as many escalation rules in force as a tenant can have."""

    def __init__(self) -> None:
        super().__init__(f"A tenant has at most {MOST_RULES} escalation rules in force; end one first.")


class RulesLoop(Invalid):
    """Escalation rules would hand a silent ticket round for ever. `rules` names them in order."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        names = " → ".join(f"“{rule.name}”" for rule in (*rules, rules[0]))
        error = {"pointer": "/actions", "code": "loop", "detail": f"hands the ticket round for ever: {names}"}
        super().__init__(
            f"A silent ticket would go round for ever: {names}.", [error], rules=[rule.id for rule in rules]
        )


def fit_together(rules: Sequence[Rule]) -> None:
    """Refuse rules that cannot be in force at the same time. Raises TooManyRules, RulesLoop."""
    if len(rules) > MOST_RULES:
        raise TooManyRules
    if found := loop(rules):
        raise RulesLoop(found)
