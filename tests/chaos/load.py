"""A bounded, mixed load: callers who open, change, answer and read tickets, with a seed of their own each."""

import asyncio
import random
from typing import Final

from domain.tickets.lifecycle import FINAL, WORKING
from tests.chaos.desk import Call, Desk, Kind, change, comment, create

PAUSE: Final = 0.04
"""Seconds between two requests of one caller, on average."""

TRIES: Final = 3
"""How often a caller repeats at once what was not answered; the rest is repeated after the restart."""

SHYNESS: Final = 0.5
"""Seconds that a caller waits after it has had no answer."""

STATUSES: Final = [*sorted(status.value for status in WORKING), "PENDING_CUSTOMER", "PENDING_CUSTOMER"]
PRIORITIES: Final = ["LOW", "MEDIUM", "HIGH", "URGENT"]


class Load:
    """Callers on one desk. They prefer a few tickets, so that updates of one ticket meet."""

    def __init__(self, desk: Desk, seed: str, callers: int = 12) -> None:
        self.desk = desk
        self.callers = callers
        self.tickets: list[str] = []
        self.opened = 0
        self._random = [random.Random(f"{seed}/{caller}") for caller in range(callers)]

    async def run(self, stop: asyncio.Event, most_tickets: int) -> None:
        """Call until told to stop; opens at most so many tickets."""
        self.opened = 0
        await asyncio.gather(*(self._caller(rng, stop, most_tickets) for rng in self._random))

    async def _caller(self, rng: random.Random, stop: asyncio.Event, most_tickets: int) -> None:
        while not stop.is_set():
            if self.tickets and rng.random() < 0.15:
                await self._read(rng)
            else:
                await self._write(rng, stop, most_tickets)
            await asyncio.sleep(rng.uniform(0, 2 * PAUSE))

    async def _read(self, rng: random.Random) -> None:
        path = f"/api/tickets/{rng.choice(self.tickets)}"
        await self.desk.read(rng.choice(["/api/tickets?limit=10", path, f"{path}/history", f"{path}/comments"]))

    async def _write(self, rng: random.Random, stop: asyncio.Event, most_tickets: int) -> None:
        call = self._next(rng, most_tickets)
        for _ in range(rng.randint(1, TRIES)):
            await self.desk.send(call)
            if call.settled or stop.is_set():
                break
            await asyncio.sleep(0.1)
        if not call.settled:
            await asyncio.sleep(SHYNESS)
        ticket = call.ticket
        if call.kind is Kind.CREATE and ticket:
            self.tickets = [*self.tickets, ticket][-40:]
        elif call.accepted and call.accepted.get("status") in FINAL and call.target in self.tickets:
            self.tickets.remove(call.target)

    def _next(self, rng: random.Random, most_tickets: int) -> Call:
        label = f"{rng.getrandbits(96):024x}"
        few = self.tickets[-6:]
        if not few or (self.opened < most_tickets and rng.random() < 0.25):
            self.opened += 1
            return create(f"ticket {label}", priority=rng.choice(PRIORITIES))
        ticket = rng.choice(few)
        match rng.randrange(6):
            case 0 | 1:
                return change(ticket, f"change {label}", status=rng.choice(STATUSES))
            case 2:
                return change(ticket, f"change {label}", priority=rng.choice(PRIORITIES), tags=[label[:8]])
            case 3:
                return comment(ticket, f"comment {label}", login="customer")
            case 4:
                return comment(ticket, f"comment {label}", internal=True)
            case _:
                return comment(ticket, f"comment {label}", status="PENDING_CUSTOMER")
