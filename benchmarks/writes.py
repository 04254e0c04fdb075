"""Creates and updates through HTTP beside the bare engine, in interleaved rounds on the same server."""

import json
import random
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from benchmarks.callers import Timing, measure
from benchmarks.client import Http
from benchmarks.engine import Engine, bare_worker, connect
from benchmarks.texts import Texts
from benchmarks.usage import BARE_WORKER, SERVERS, Meter

MOST_SECONDS = 10.0
"""One measurement of one round ends after so long, whatever it has reached."""

TARGETS = {"create": 0.7, "update": 0.6}
"""The share of the bare engine's throughput that is asked for at `MANY` callers."""

MANY, ONE = 32, 1

CALLS = {("create", MANY): 400, ("update", MANY): 800, ("create", ONE): 80, ("update", ONE): 120}


@dataclass
class Desk:
    """Summit's side of a round: an agent who opens tickets, answers them and changes them."""

    http: Http
    texts: Texts
    tickets: list[str] = field(default_factory=list)

    async def create(self, number: int) -> None:
        """Open a ticket."""
        body = {
            "customerEmail": f"user{number % 500}@example.com",
            "subject": self.texts.words(7),
            "description": self.texts.words(40),
            "priority": ("LOW", "MEDIUM", "HIGH", "URGENT")[number % 4],
            "severity": f"SEV{1 + number % 4}",
            "channel": "EMAIL",
            "category": "Technical Issue",
            "tags": ["dashboard", "access"],
        }
        answer = await self.http.send("POST", "/api/tickets", json.dumps(body).encode(), 201, key=uuid4().hex)
        self.tickets.append(answer.json()["id"])

    async def change(self, number: int) -> None:
        """Comment on one of the tickets, or change its priority: one after the other."""
        ticket = self.tickets[number % len(self.tickets)]
        if number % 2:
            priority = ("LOW", "HIGH")[(number // len(self.tickets)) % 2]
            body = json.dumps({"priority": priority, "tags": ["dashboard", f"try-{number % 9}"]}).encode()
            await self.http.send("PATCH", f"/api/tickets/{ticket}", body, 200)
        else:
            body = json.dumps({"body": self.texts.words(25)}).encode()
            await self.http.send("POST", f"/api/tickets/{ticket}/comments", body, 201)

    def begin_updates(self, seed: int) -> None:
        """Mix the tickets that updates go to."""
        random.Random(seed).shuffle(self.tickets)


@dataclass(frozen=True)
class Pair:
    """One measurement on both sides."""

    name: str
    callers: int
    bare: Timing = field(default_factory=Timing)
    ours: Timing = field(default_factory=Timing)

    @property
    def ratio(self) -> float:
        """Our throughput as a share of the bare engine's: the median over the rounds."""
        return statistics.median(ours / bare for ours, bare in zip(self.ours.rates, self.bare.rates, strict=True))


async def writes(stack: Mapping[str, Any], rounds: int, scale: float) -> tuple[list[Pair], Engine]:
    """Interleaved rounds: bare, ours, bare, ours …, the creations of a round before its updates."""
    client = await connect(stack)
    async with Http(stack["apiUrl"], stack["tokens"]["agent"]) as http, bare_worker(stack) as bare_pid:
        desk = Desk(http, Texts(seed=3))
        meter = Meter({name: stack["pids"][name] for name in SERVERS} | {BARE_WORKER: bare_pid})
        for number in range(8):  # the first calls of a process import, connect and compile
            await desk.create(number)
            await desk.change(0)
            await desk.change(1)
        engine = await Engine.like(client, stack["tenantId"], desk.tickets[0])
        for number in range(8):
            await engine.create(number)
            await engine.change(number)
        pairs = [Pair(name, callers) for callers in (MANY, ONE) for name in ("create", "update")]
        for number in range(rounds):
            for side in (engine, desk):
                side.begin_updates(number)
            for pair in pairs:
                calls = max(pair.callers, int(CALLS[pair.name, pair.callers] * scale))
                for side, timing in ((engine, pair.bare), (desk, pair.ours)):
                    operation = side.create if pair.name == "create" else side.change
                    timing.add(await measure(pair.callers, calls, MOST_SECONDS, operation, meter))
                print(
                    f"  round {number + 1} · {pair.name} at {pair.callers}: bare {pair.bare.rates[-1]:.0f}/s,"
                    f" ours {pair.ours.rates[-1]:.0f}/s",
                    flush=True,
                )
        return pairs, engine
