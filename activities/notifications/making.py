"""Puts the dispatcher together from the settings of its process."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from activities.notifications.bell import Bell
from activities.notifications.courier import Courier, OutboxLane, OutboxLedger
from activities.notifications.dispatcher import Dispatcher
from activities.notifications.facts import Sites
from activities.notifications.mailing import Mailing
from activities.notifications.measures import Measures
from activities.notifications.noting import Noting
from activities.notifications.phrasing import Wordings
from activities.notifications.settling import Settling
from activities.notifications.webhooks import DeliveryLedger, WebhookLane
from db.outbox import PRUNE_DELIVERIES, PRUNE_EVENTS, PRUNE_JOBS, PRUNE_MAILS, PRUNE_THREADS, STATE, Pool, deliver, row
from domain.process import Channel
from notify.http import Slack, StandardWebhook
from notify.maildir import Maildir
from notify.smtp import Smtp
from runtime.blobs import FolderBlobs
from runtime.outgoing import Caller
from runtime.settings import APP_ROLE, Settings
from runtime.targets import Targets

PRUNED_AT_ONCE: Final = 5_000
PRUNE_SECONDS: Final = 300.0
DELIVERY_DAYS: Final = 30
"""How long the log of webhooks is kept."""
JOB_DAYS: Final = 30
"""How long it can be asked what a job has done."""

MAILS_AT_ONCE: Final = 500
"""Few, because each may be large."""

DISCARDED_DAYS: Final = 30
"""How long a mail is kept that somebody has put aside, or that nobody needs to decide about."""

THREAD_DAYS: Final = 1
"""A mail that was not tried for so long opens no ticket any more."""


def mail_carrier(settings: Settings) -> Smtp | Maildir:
    """The mail server that is set, else a directory."""
    if settings.smtp_host is None:
        return Maildir(Path(settings.mail_dir))
    password = settings.smtp_password.get_secret_value() if settings.smtp_password else None
    return Smtp(
        settings.smtp_host,
        settings.smtp_port,
        settings.smtp_user,
        password,
        settings.smtp_tls,
        settings.smtp_ca_file,
    )


def make_dispatcher(
    settings: Settings,
    pool: Pool,
    measures: Measures | None = None,
    *,
    pump_seconds: float = 0.5,
    crowded: Callable[[], bool] = lambda: False,
) -> Dispatcher:
    """A dispatcher over an open pool, which gives way while it is `crowded`; nothing is connected or started yet."""
    measures = measures or Measures()
    caller = Caller(Targets.read(settings.allow_targets))
    slack = Slack(caller)
    sites = Sites(settings.public_url, settings.portal_url)
    mail = mail_carrier(settings)
    mailing = Mailing(pool, mail, Wordings(pool), FolderBlobs(Path(settings.files_dir)), sites, settings.mail_from)
    courier = Courier(pool, mailing, slack, sites)

    ledger = OutboxLedger(pool, Noting(partial(deliver, pool)))
    outbox = OutboxLane(courier, {channel: Settling(ledger, measures, channel.lower()) for channel in Channel})
    webhooks = WebhookLane(
        pool,
        StandardWebhook(caller),
        slack,
        sites,
        Settling(DeliveryLedger(pool), measures, "webhook"),
        pump_seconds=pump_seconds,
    )

    return Dispatcher(
        (outbox, webhooks),
        Bell(settings.postgres.conninfo(APP_ROLE)),
        Upkeep(pool, measures, settings.event_days, settings.mail_keep_days, mail),
        crowded,
    )


@dataclass
class Upkeep:
    """What is done now and then beside delivering: measure how far behind we are, drop what is too old, end idle connections."""

    pool: Pool
    measures: Measures
    event_days: int
    mail_days: int
    mail: Smtp | Maildir
    pruned_at: float = float("-inf")

    async def __call__(self) -> None:
        """Once."""
        await self.mail.tend()
        async with self.pool.connection() as connection:
            state = await row(connection, STATE)
        if state is not None:
            self.measures.pending.set(state["pending"])
            self.measures.age.set(state["oldest_seconds"])
        if time.monotonic() - self.pruned_at >= PRUNE_SECONDS:
            self.pruned_at = time.monotonic()
            await self.prune(datetime.now(UTC))

    async def close(self) -> None:
        """Nothing is sent any more."""
        await self.mail.close()

    async def prune(self, now: datetime) -> None:
        """Drop what is too old of events, jobs, the webhooks' log and mail that came, a good many at a time."""

        def ago(days: int) -> datetime:
            return now - timedelta(days=days)

        mails = {"discarded": ago(DISCARDED_DAYS), "done": ago(self.mail_days) if self.mail_days else None}
        for statement, values in (
            (PRUNE_EVENTS, {"before": ago(self.event_days), "most": PRUNED_AT_ONCE}),
            (PRUNE_DELIVERIES, {"before": ago(DELIVERY_DAYS), "most": PRUNED_AT_ONCE}),
            (PRUNE_JOBS, {"before": ago(JOB_DAYS), "most": PRUNED_AT_ONCE}),
            (PRUNE_MAILS, mails | {"most": MAILS_AT_ONCE}),
            (PRUNE_THREADS, {"before": ago(THREAD_DAYS), "most": PRUNED_AT_ONCE}),
        ):
            async with self.pool.connection() as connection:
                await row(connection, statement, **values)
