"""A decision on a ticket in the making: the ticket so far, its clocks, who is told, and what goes into the history."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pydantic import JsonValue

from domain.identity import SYSTEM, Actor
from domain.mail.writable import writable
from domain.process import Announcement, Channel, DeadlineState, Notice, Settlement
from domain.sla.clocks import Clock, ClockKind, ClockState
from domain.tickets.model import Ticket
from domain.tickets.surroundings import Surroundings

ENDS: Final = {
    ClockState.MET: DeadlineState.MET,
    ClockState.ANNULLED: DeadlineState.MET,
    ClockState.BREACHED: DeadlineState.MISSED,
    ClockState.CANCELLED: DeadlineState.CANCELLED,
}
"""How the ledger calls the end of a clock."""


ANSWER: Final = "ticket_reply"
"""What one of the staff writes: where it cannot go, they must hear of that."""


@dataclass(frozen=True)
class Event:
    """When and by whom: `at` is the instant of the event itself, `now` that of the decision (never before `at`), aware UTC."""

    at: datetime
    now: datetime
    actor: Actor = SYSTEM


@dataclass
class Draft:
    """A decision in the making."""

    ticket: Ticket
    event: Event
    around: Surroundings
    settled: list[Settlement] = field(default_factory=list)
    limited: bool = False
    notices: list[Notice] = field(default_factory=list)
    announcements: list[Announcement] = field(default_factory=list)
    touched: dict[tuple[ClockKind, int], Clock] = field(default_factory=dict)
    escalated: list[JsonValue] = field(default_factory=list)
    proposed: list[JsonValue] = field(default_factory=list)

    def set(self, **fields: Any) -> None:
        """Give the ticket other values."""
        self.ticket = self.ticket.model_copy(update=fields)

    def put(self, clock: Clock) -> None:
        """Take a clock as the latest of its kind."""
        if self.ticket.clock(clock.kind) == clock:
            return
        others = tuple(other for other in self.ticket.clocks if other.kind is not clock.kind)
        self.set(clocks=(*others, clock))
        self.touched[clock.kind, clock.cycle] = clock

    def settle(self, kind: str, cycle: int, state: Any, at: datetime) -> None:
        """End a promise."""
        self.settled.append(Settlement(kind=kind, cycle=cycle, state=state, settled_at=at))

    def tell(
        self, template: str, recipient: str, channel: Channel, rung: str | None = None, **payload: JsonValue
    ) -> None:
        """Tell somebody something about this ticket, once in a decision, whoever else of a rule's people they are too."""
        payload = {"number": self.ticket.number, **payload}
        notice = Notice(template=template, recipient=recipient, channel=channel, rung=rung, payload=payload)
        if all(told(other) != told(notice) for other in self.notices):
            self.notices.append(notice)

    def tell_customer(self, template: str, rung: str | None = None, **payload: Any) -> None:
        """Tell the customer by mail. What Summit says by itself is not even tried where no mail can go: anybody can write from there."""
        if template == ANSWER or writable(self.ticket.customer_email):
            self.tell(template, self.ticket.customer_email, Channel.EMAIL, rung, **payload)

    def tell_copied(self, template: str, **payload: Any) -> None:
        """Tell those who are copied in what the customer is told; who wrote it knows."""
        for address in self.ticket.cc:
            if address != self.event.actor.email.lower():
                self.tell(template, address, Channel.EMAIL, **payload)

    def tell_watchers(self, template: str, **payload: Any) -> None:
        """Tell those of the staff who watch; who did it, and the assignee, who is told anyhow, are left out."""
        for person in self.ticket.watchers:
            if person not in (self.event.actor.id, self.ticket.assignee_id):
                self.tell(template, str(person), Channel.PREFERRED, **payload)

    def tell_assignee(self, template: str, **payload: Any) -> None:
        """Tell the assignee, unless they did it themselves."""
        if self.ticket.assignee_id and self.ticket.assignee_id != self.event.actor.id:
            self.tell(template, str(self.ticket.assignee_id), Channel.PREFERRED, **payload)

    def announce(self, happened: str, *, internal: bool = True, **payload: JsonValue) -> None:
        """Tell listeners of an event, such as `ticket.updated`."""
        self.announcements.append(
            Announcement(
                type=f"ticket.{happened}",
                version=self.ticket.version,
                internal=internal,
                account_id=self.ticket.account_id,
                address=self.ticket.customer_email,
                payload=payload,
            )
        )

    def ends_of_clocks(self, before: Ticket | None) -> list[Settlement]:
        """How the clocks that were touched have ended, compared with the ticket before."""
        was = {(clock.kind, clock.cycle): clock.state for clock in before.clocks} if before else {}
        return [
            Settlement(
                kind=clock.kind,
                cycle=clock.cycle,
                state=ENDS[clock.state],
                settled_at=clock.met_at if clock.state is not ClockState.BREACHED and clock.met_at else ended(clock),
            )
            for key, clock in self.touched.items()
            if clock.state in ENDS and clock.state is not was.get(key)
        ]


def told(notice: Notice) -> tuple[str | None, str, str, Channel]:
    """What makes a notice of a decision another one than the rest."""
    return notice.rung, notice.template, notice.recipient, notice.channel


def ended(clock: Clock) -> datetime:
    """The instant at which a promise was broken or given up."""
    at = clock.breached_at if clock.state is ClockState.BREACHED else clock.ended_at
    return at or clock.started_at
