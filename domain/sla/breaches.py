"""What may be done about a broken promise: acknowledge it, waive it, grant a credit for it; each once."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from domain.customers import money
from domain.process import Conflict, Frozen, Invalid
from domain.sla.clocks import NO_TIME
from domain.sla.credits import CreditRule, left_of
from domain.sla.timetable import Timetable


class BreachAction(StrEnum):
    """What can be done about a breach."""

    ACKNOWLEDGE = "ACKNOWLEDGE"
    WAIVE = "WAIVE"
    CREDIT = "CREDIT"


PAST: Final[Mapping[BreachAction, str]] = {
    BreachAction.ACKNOWLEDGE: "acknowledged",
    BreachAction.WAIVE: "waived",
    BreachAction.CREDIT: "credited",
}


class Done(Frozen):
    """What somebody did about a breach."""

    action: BreachAction
    at: datetime
    actor_id: UUID
    actor_name: str
    reason: str | None = None
    amount: Decimal | None = None
    currency: str | None = None


Deeds = Mapping[BreachAction, Done]
"""What was done about a breach, by action."""


class AlreadyDone(Conflict):
    """It was done before, once and for all."""

    def __init__(self, done: Done) -> None:
        detail = f"The breach was {PAST[done.action]} already, by {done.actor_name}."
        super().__init__(detail, done_at=done.at.isoformat(), done_by=str(done.actor_id))


class BreachWaived(Conflict):
    """A waived breach is not credited."""

    def __init__(self) -> None:
        super().__init__("The breach was waived; nothing is credited for it.")


class BreachCredited(Conflict):
    """A credited breach is not waived."""

    def __init__(self) -> None:
        super().__init__("The breach was credited; it can no longer be waived.")


class BreachAnnulled(Conflict):
    """The promise was kept in time after all, as news that came late has shown."""

    def __init__(self) -> None:
        super().__init__("The breach is annulled: the promise was kept in time after all.")


class NobodyToCredit(Conflict):
    """The ticket belongs to no account, so there is no fee to credit against."""

    def __init__(self) -> None:
        super().__init__("The ticket belongs to no customer account, so there is nobody to credit.")


class BadCredit(Invalid):
    """The amount or its currency cannot be credited. `left` is what the month's cap leaves."""

    def __init__(self, errors: list[dict[str, str]], left: Decimal, currency: str) -> None:
        super().__init__("The credit cannot be granted.", errors, left=f"{left:f}", currency=currency)


class Purse(Frozen):
    """What an account's month still allows for a breach: the fee, the rule that was broken, and what was given already."""

    currency: str
    fee: Decimal
    rule: CreditRule | None
    given: Decimal

    @property
    def left(self) -> Decimal:
        """What may still be credited."""
        return left_of(self.rule, self.fee, self.currency, self.given)


def may(action: BreachAction, done: Deeds, *, annulled: bool, waived: bool = False) -> None:
    """Refuse what was done before, and what contradicts it; `waived` says that it was waived on the ticket.

    Raises AlreadyDone, BreachAnnulled, BreachWaived, BreachCredited.
    """
    if action in done:
        raise AlreadyDone(done[action])
    if action is BreachAction.ACKNOWLEDGE:
        return
    if annulled:
        raise BreachAnnulled
    if action is BreachAction.CREDIT and (waived or BreachAction.WAIVE in done):
        raise BreachWaived
    if action is BreachAction.WAIVE and BreachAction.CREDIT in done:
        raise BreachCredited


def granted(amount: Decimal, currency: str | None, purse: Purse) -> Decimal:
    """The amount with the decimals of the account's currency, when the cap leaves so much. Raises BadCredit with all that is wrong."""
    errors = []
    if currency not in (None, purse.currency):
        errors.append(_error("/currency", "currency", f"must be the account's, which is {purse.currency}"))
    try:
        amount = money(amount, purse.currency)
    except ValueError as error:
        errors.append(_error("/amount", "decimals", str(error)))
    if amount > purse.left:
        errors.append(_error("/amount", "cap", f"must be at most {purse.left:f}, which is left of this month's cap"))
    if errors:
        raise BadCredit(errors, purse.left, purse.currency)
    return amount


def _error(pointer: str, code: str, detail: str) -> dict[str, str]:
    return {"pointer": pointer, "code": code, "detail": detail}


def overrun(
    spent: timedelta, running_since: datetime | None, target: timedelta, table: Timetable, now: datetime
) -> timedelta:
    """The business time beyond the target, up to `now` for a clock that still runs."""
    running = table.between(running_since, now) if running_since is not None else NO_TIME
    return max(spent + running - target, NO_TIME)


def proposed(latest: Mapping[str, Any] | None, purse: Purse | None) -> dict[str, Any] | None:
    """The credit that the rule proposed last, cut to what is left of the month's cap; None where it proposed nothing."""
    if latest is None:
        return None
    amount = latest["amount"] if purse is None else min(latest["amount"], purse.left)
    return {**latest, "amount": money(amount, latest["currency"])}
