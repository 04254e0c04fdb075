"""The worker process: makes database pools, Temporal client, worker and dispatcher, and stops them in order."""

import asyncio
import os
import signal
import sys
from datetime import timedelta
from typing import Any

import structlog
import uvloop
from temporalio.client import Client
from temporalio.worker import PollerBehaviorAutoscaling, UnsandboxedWorkflowRunner, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from activities.notifications.making import make_dispatcher
from activities.notifications.measures import Measures
from activities.tickets import TicketActivities
from db.connections import decision_pool, outbox_pool
from db.decisions import Database
from runtime import logs
from runtime.settings import APP_ROLE, Settings
from runtime.temporal import connect, ensure_search_attributes, telemetry
from workflows.tickets import TicketWorkflow

log = structlog.get_logger(__name__)

GRACE = timedelta(seconds=10)

DISPATCHER_CONNECTIONS = 4
"""Few, and its own: a flood of notifications must not keep decisions waiting."""


def make_worker(client: Client, database: Database, settings: Settings, **options: Any) -> Worker:
    """The worker with every workflow and activity of Summit; `options` override its settings (tests shrink the cache)."""
    tickets = TicketActivities(database)
    return Worker(
        client,
        task_queue=settings.task_queue,
        workflows=[TicketWorkflow],
        activities=[tickets.decide_ticket],
        workflow_runner=SandboxedWorkflowRunner() if settings.sandbox else UnsandboxedWorkflowRunner(),
        **{
            "max_cached_workflows": 5000,
            "workflow_task_poller_behavior": PollerBehaviorAutoscaling(),
            # A crashed worker's sticky queue is given up after this, not after the default 10 s.
            "sticky_queue_schedule_to_start_timeout": timedelta(seconds=2),
            "graceful_shutdown_timeout": GRACE,
            "no_remote_activities": True,
            **options,
        },
    )


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; then finish what is under way, within the grace."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runtime = telemetry(settings)
    client = await connect(settings, runtime)
    await ensure_search_attributes(client)
    pool = decision_pool(settings.postgres.conninfo(APP_ROLE), settings.db_pool_size)
    outbox = outbox_pool(settings.postgres.conninfo(APP_ROLE), DISPATCHER_CONNECTIONS)
    database = Database(pool)
    async with pool, outbox, make_worker(client, database, settings):
        dispatcher = make_dispatcher(settings, outbox, Measures(runtime.metric_meter), crowded=database.crowded)
        dispatching = asyncio.create_task(dispatcher.run())
        log.info("worker_ready", task_queue=settings.task_queue)
        await stop.wait()
        log.info("worker_stopping")
        dispatcher.stop()
        await dispatching


def main() -> None:
    """Entry point of the process."""
    settings = Settings()
    logs.configure(settings.log_level, "worker")
    uvloop.run(serve(settings))
    # The SDK's native threads can abort while the interpreter tears down; everything is flushed and closed by now.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
