"""`python -m tests.api.counting_runner`: a process that runs jobs which write their items to a file, to be killed by a test."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

from prometheus_client import CollectorRegistry
from pydantic import BaseModel

from api.runner import JobCounts, Runner
from db.engine import make_engine
from domain.jobs import Job, Page
from runtime.settings import PostgresSettings, Settings


class Orders(BaseModel):
    """What to run, and where."""

    kind: str
    postgres: dict[str, str | int]


async def count(job: Job) -> AsyncGenerator[Page, None]:
    """Write the numbers up to `upto` to a file, a page each."""
    for number in range(job.done, int(str(job.input["upto"]))):
        write(Path(str(job.input["file"])), number)
        await asyncio.sleep(0.01)
        yield Page(done=number + 1, cursor=number + 1)


def write(path: Path, number: int) -> None:
    """The work on one item."""
    with path.open("a") as file:
        print(number, file=file)


async def main() -> None:
    """Run jobs until killed."""
    orders = Orders.model_validate_json(sys.argv[1])
    engine = make_engine(Settings(postgres=PostgresSettings.model_validate(orders.postgres), db_pool_size=2))
    runner = Runner(engine, {orders.kind: count}, JobCounts(CollectorRegistry()), 0.05)
    await runner.run()


if __name__ == "__main__":
    asyncio.run(main())
