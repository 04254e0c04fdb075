"""`python -m tests.api.bulk_runner`: a process that runs bulk changes of tickets, to be killed by a test."""

import asyncio
import sys

from pydantic import BaseModel
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from api.bulk import BULK
from api.job_kinds import job_kinds
from api.metrics import Metrics
from api.runner import JobCounts, Runner
from api.services import make_services
from db.engine import make_engine
from runtime.settings import PostgresSettings
from tests.api.front import settings_for


class Orders(BaseModel):
    """Where to run."""

    postgres: dict[str, str | int]
    temporal: str
    namespace: str
    task_queue: str
    lease_seconds: float = 1.0


def orders_for(postgres: PostgresSettings, client: Client, task_queue: str) -> Orders:
    """What such a process must be told."""
    return Orders(
        postgres=postgres.model_dump() | {"password": postgres.password.get_secret_value()},
        temporal=client.service_client.config.target_host,
        namespace=client.namespace,
        task_queue=task_queue,
    )


async def main() -> None:
    """Run bulk changes until killed."""
    orders = Orders.model_validate_json(sys.argv[1])
    settings = settings_for(
        PostgresSettings.model_validate(orders.postgres), task_queue=orders.task_queue, job_kinds=BULK
    )
    client = await Client.connect(orders.temporal, namespace=orders.namespace, data_converter=pydantic_data_converter)
    engine, metrics = make_engine(settings), Metrics()
    kinds = job_kinds(make_services(settings, engine, client, metrics))
    runner = Runner(engine, kinds, JobCounts(metrics.registry), 0.05, lease_seconds=orders.lease_seconds)
    await runner.run()


if __name__ == "__main__":
    asyncio.run(main())
