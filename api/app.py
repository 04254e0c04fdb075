"""Composition root of the API: engine, Temporal client, services, routes and the layers around them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Final

from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from prometheus_client import disable_created_metrics
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from temporalio.client import Client

from api import (
    api_keys,
    attachments,
    breaches,
    bulk,
    compliance,
    customers,
    errors,
    events,
    identity,
    inbound,
    jobs,
    mail_templates,
    mailboxes,
    manual,
    notifications,
    openapi,
    passwords,
    permissions,
    promises,
    ratings,
    routing_rules,
    simulations,
    suppressions,
    system,
    ticket_fields,
    ticket_relations,
    ticket_templates,
    tickets,
    views,
    webhooks,
)
from api import settings as tenant_settings
from api.auditor import Auditor, Gauges
from api.dependencies import guard, on_unreadable
from api.exports import Exports, list_routes
from api.file_upkeep import FileUpkeep
from api.job_kinds import job_kinds
from api.mail.making import make_intake, make_listener
from api.measures import make_refresher
from api.metrics import Metrics
from api.middleware import Edge
from api.oidc import portal as oidc_portal
from api.password_page import PASSWORD_PAGE
from api.queues import Queues
from api.rating_page import RATING_PAGE
from api.records import Answered, on_answered
from api.runner import JobCounts, Runner
from api.services import make_services
from api.sla import calendars as sla_calendars
from api.sla import clocks, escalation, preview
from api.sla import definitions as sla_definitions
from api.uploads import FORM_BYTES
from db.engine import make_engine
from runtime.settings import Settings
from runtime.temporal import connect

VERSION: Final = "0.1.0"

GRACE_SECONDS: Final = 1.0
"""What a route may take beyond its budget to say for itself what was away, before the edge says it in general."""

ROUTERS: Final[tuple[APIRouter, ...]] = (
    system.router,
    identity.router,
    oidc_portal.router,
    api_keys.router,
    customers.router,
    tickets.router,
    attachments.router,
    ratings.router,
    bulk.router,
    ticket_fields.router,
    ticket_templates.router,
    views.router,
    ticket_relations.router,
    routing_rules.router,
    promises.router,
    clocks.router,
    sla_calendars.router,
    sla_definitions.router,
    escalation.router,
    preview.router,
    tenant_settings.router,
    jobs.router,
    compliance.router,
    breaches.router,
    simulations.router,
    passwords.router,
    notifications.router,
    mail_templates.router,
    suppressions.router,
    mailboxes.router,
    inbound.router,
    webhooks.router,
    events.router,
)
"""Every area's routes, with their whole paths."""

EXPOSED: Final = (
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Location",
    "Retry-After",
    "X-Request-Id",
    "Idempotent-Replayed",
)
"""What a page from another origin may read of our answers' headers."""


async def ended(task: asyncio.Task[None]) -> None:
    """Cancel a background loop and wait until it has tidied up."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@asynccontextmanager
async def living(app: FastAPI, *, settings: Settings, metrics: Metrics, temporal: Client | None) -> AsyncIterator[None]:
    """Everything that lives as long as the application: connections, the loops in the background, the listener for mail."""
    async with AsyncExitStack() as stack:
        engine = make_engine(settings)
        stack.push_async_callback(engine.dispose)
        client = temporal or await connect(settings, lazy=True)
        services = make_services(settings, engine, client, metrics)
        app.state.services = services
        stack.push_async_callback(services.limits.close)
        stack.push_async_callback(services.gate.close)
        auditor = Auditor(
            engine, client, services.processes, Gauges(metrics.registry), settings.auditor_interval_seconds
        )
        runner = Runner(engine, job_kinds(services), JobCounts(metrics.registry), settings.job_interval_seconds)
        refresher = make_refresher(engine, metrics.registry, settings.measures_interval_seconds)
        for loop in (
            services.confirmations.run(),
            auditor.run(),
            runner.run(),
            refresher.run(),
            services.live.run(),
            FileUpkeep(engine, services.blobs).run(),
            services.gate.keys.run(),
            Queues(engine, services.processes).run(),
            make_intake(services, metrics.registry).run(),
        ):
            task = asyncio.create_task(loop)
            stack.push_async_callback(ended, task)
        # Last to come and first to go: what it takes, the intake above can still begin with.
        if listener := make_listener(settings, services.receiving):
            await stack.enter_async_context(listener)
        yield


def create_app(settings: Settings, *, temporal: Client | None = None) -> FastAPI:
    """The application. Nothing is connected before its lifespan; without `temporal` it connects as the settings say."""
    settings.require_secret()
    # Series of their own that tell when a counter began, which nobody asks.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    metrics = Metrics()

    app = FastAPI(
        title="Summit",
        version=VERSION,
        lifespan=partial(living, settings=settings, metrics=metrics, temporal=temporal),
        dependencies=[Depends(guard)],
        generate_unique_id_function=openapi.operation_id,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    for router in ROUTERS:
        app.include_router(router)
    permissions.check(app)
    errors.install(app)
    for kind in (RequestValidationError, HTTPException):
        app.add_exception_handler(kind, on_unreadable)  # type: ignore[arg-type]
    app.add_exception_handler(Answered, on_answered)  # type: ignore[arg-type]
    openapi.install(app)
    manual.install(app)
    PASSWORD_PAGE.install(app)
    RATING_PAGE.install(app)
    app.add_middleware(Exports, lists=list_routes(app), most_rows=settings.export_rows)
    app.add_middleware(
        Edge,
        metrics=metrics,
        budget_seconds=settings.request_budget_seconds + GRACE_SECONDS,
        max_body_bytes=settings.max_body_bytes,
        max_upload_bytes=settings.max_file_bytes + FORM_BYTES,
        max_mail_bytes=settings.mail_max_bytes,
    )
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "If-Match",
                "If-None-Match",
                "If-Range",
                "Last-Event-ID",
                "Range",
                "X-Request-Id",
            ],
            expose_headers=EXPOSED,
            max_age=3600,
        )
    return app
