"""A simulation over all tickets, and how the API answers meanwhile."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

from benchmarks.callers import Timing, measure
from benchmarks.client import Http
from benchmarks.usage import Meter

MOST_SECONDS: Final = 60.0
"""What is asked for 100,000 tickets."""

SPAN: Final = timedelta(days=600)
TIERS: Final = ("BASIC", "PROFESSIONAL", "ENTERPRISE", "PREMIUM")
PROPOSAL: Final = [
    {"tier": tier, "severity": severity, "kind": kind, "targetMinutes": 90}
    for tier in TIERS
    for severity in ("SEV1", "SEV2", "SEV3", "SEV4")
    for kind in ("FIRST_RESPONSE", "RESOLUTION")
]


@dataclass(frozen=True)
class Simulated:
    """How long it took for so many tickets, and reads of tickets while it ran."""

    tickets: int
    seconds: float
    meanwhile: Timing


async def simulate(stack: Mapping[str, Any], ids: Sequence[str], meter: Meter) -> Simulated:
    """Ask for other targets of every promise, and read tickets until the job is done."""
    now = datetime.now(UTC)
    body = {"from": (now - SPAN).isoformat(), "to": now.isoformat(), "definitions": PROPOSAL}
    headers = {"Authorization": f"Bearer {stack['tokens']['lead']}"}
    async with (
        httpx.AsyncClient(base_url=stack["apiUrl"], headers=headers) as client,
        Http(stack["apiUrl"], stack["tokens"]["agent"]) as http,
    ):
        begun, timing = time.perf_counter(), Timing()
        job = (await client.post("/api/sla/simulations", json=body)).raise_for_status().json()

        async def get(number: int) -> None:
            await http.get(f"/api/tickets/{ids[number % len(ids)]}")

        while job["state"] in ("QUEUED", "RUNNING"):
            timing.add(await measure(1, 20, 1.0, get, meter))
            await asyncio.sleep(0.1)
            job = (await client.get(f"/api/jobs/{job['id']}")).raise_for_status().json()
    if job["state"] != "DONE":
        raise RuntimeError(f"the simulation failed: {job['result']}")
    return Simulated(job["result"]["tickets"], time.perf_counter() - begun, timing)
