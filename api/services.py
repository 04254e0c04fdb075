"""What one API process works with; made in the composition root, handed to routes by api.dependencies."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from api.auth import Directory, Passwords, Tokens, derive_key
from api.confirmations import Confirmations
from api.conversation import Conversation
from api.desk import Desk
from api.gate import Gate
from api.kept_fields import TicketFields
from api.keyring import KeyRing
from api.limits import Limits, make_limits
from api.live import Live
from api.mail.receiving import Receiving
from api.merging import Merging
from api.metrics import Metrics
from api.oidc.people import make_members
from api.paging import Cursors
from api.policies import Policies
from api.processes import Processes
from api.templating import Templating
from runtime.blobs import Blobs, FolderBlobs
from runtime.settings import Settings
from runtime.targets import Targets

TRIALS_AT_ONCE: Final = 1
"""Calendars that are tried at a time: counting is all Python, so a second one would only take time from other requests."""


@dataclass(frozen=True)
class Services:
    """The collaborators of all routes."""

    settings: Settings
    engine: AsyncEngine
    temporal: Client
    metrics: Metrics
    gate: Gate
    directory: Directory
    passwords: Passwords
    limits: Limits
    cursors: Cursors
    processes: Processes
    confirmations: Confirmations
    desk: Desk
    conversation: Conversation
    policies: Policies
    live: Live
    targets: Targets
    blobs: Blobs
    receiving: Receiving
    fingerprint_key: bytes = field(repr=False)
    trials: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(TRIALS_AT_ONCE))


def make_services(settings: Settings, engine: AsyncEngine, temporal: Client, metrics: Metrics) -> Services:
    """Services as the settings want them. Needs a running loop."""
    confirmations = Confirmations(engine)
    processes = Processes(temporal, engine, settings.task_queue, settings.request_budget_seconds, confirmations)
    directory = Directory(engine)
    fields = TicketFields(engine)
    desk = Desk(processes, engine, Merging(processes, engine), fields, Templating(engine, fields))
    return Services(
        settings=settings,
        engine=engine,
        temporal=temporal,
        metrics=metrics,
        gate=Gate(Tokens(settings), directory, KeyRing(engine), make_members(settings, engine, directory)),
        directory=directory,
        passwords=Passwords(),
        limits=make_limits(settings),
        cursors=Cursors(derive_key(settings, "cursors")),
        processes=processes,
        confirmations=confirmations,
        desk=desk,
        conversation=Conversation(desk),
        policies=Policies(),
        live=Live(engine),
        targets=Targets.read(settings.allow_targets),
        receiving=Receiving(engine),
        blobs=FolderBlobs(Path(settings.files_dir)),
        fingerprint_key=derive_key(settings, "fingerprints"),
    )
