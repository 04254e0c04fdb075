"""`python -m api.simulator`: one simulation in a process of its own, so that the API goes on answering.

The order comes as a line of JSON on standard input; a line of JSON goes out for each portion done, and one with the result.
"""

import os
import sys
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg
from pydantic import BaseModel
from pydantic_core import to_json

from db.simulations import PAGE, count_tickets, enter, read_pasts
from domain.sla.compliance import Period
from domain.sla.simulation import Proposal, Simulation
from runtime.holidays import holidays_or_none

NICENESS: Final = 10
"""The API and Postgres come first."""


class Order(BaseModel):
    """What to simulate, and where the clocks are."""

    conninfo: str
    tenant_id: UUID
    since: datetime
    until: datetime
    now: datetime
    proposal: Proposal


class Portion(BaseModel):
    """How far it has come; `result` at the end."""

    done: int
    total: int
    result: dict[str, Any] | None = None


def say(portion: Portion) -> None:
    """Tell the process that asked. Ends this one when that is gone."""
    sys.stdout.buffer.write(to_json(portion) + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    """Read the order, judge every clock, tell the comparison."""
    os.nice(NICENESS)
    order = Order.model_validate_json(sys.stdin.buffer.readline())
    span = Period(order.since, order.until)
    with psycopg.connect(order.conninfo, application_name="summit-simulator") as connection:
        connection.isolation_level, connection.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
        simulation = Simulation(enter(connection, order.tenant_id), order.proposal, holidays_or_none, order.now)
        total = count_tickets(connection, span)
        say(Portion(done=0, total=total))
        for past in read_pasts(connection, span):
            simulation.add(past)
            if simulation.clocks % PAGE == 0:
                say(Portion(done=min(simulation.tickets, total), total=total))
        say(Portion(done=total, total=total, result=simulation.result()))


if __name__ == "__main__":
    main()
