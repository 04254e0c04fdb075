"""Makes tickets and comments of mails: leased, several at once, those of one author one after another, none lost and none twice."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4

import structlog
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from api.mail.clerk import Clerk, NotYet
from api.mail.filing import Filing, Letter, Replanned
from api.mail.receiving import Receiving, read
from api.runner import is_transient
from db import inbound, suppressions
from db.engine import tenant_transaction
from db.mail_threads import note
from domain.mail.plans import PLAN, AnyPlan, Append, Open, Park, Reason
from runtime.blobs import StoreFull

log = structlog.get_logger(__name__)

AT_ONCE: Final = 8
"""Mails in work in one process."""

LARGE: Final = 1024 * 1024
"""Of mails from this size on only one is in work: reading them takes memory."""

LEASE_SECONDS: Final = 10.0
"""So long do the mails of a killed process wait for another one."""

MOST_SECONDS: Final = 60.0
"""So long may one attempt take."""

MOST_FAULTS: Final = 5
MOST_ATTEMPTS: Final = 10
"""A mail that broke something so often, or whose process died so often, waits for somebody to look at it."""

SOON_SECONDS: Final = 0.2
LATER_SECONDS: Final = 2.0

MOST_PLANS: Final = 5
"""A ticket that was merged, closed, and so on while a mail was on its way."""

BROKEN: Final = "Something went wrong here again and again; the mail's id leads us to the cause."


class MailCounts:
    """What the intake tells Prometheus."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.settled = Counter("summit_mails_total", "Mails that were settled", ("outcome",), registry=registry)


@dataclass
class Intake:
    """Looks for mails every `interval` seconds, and at once when one has come here."""

    engine: AsyncEngine
    receiving: Receiving
    clerk: Clerk
    filing: Filing
    counts: MailCounts
    interval: float
    lease_seconds: float = LEASE_SECONDS
    lease_id: UUID = field(default_factory=uuid4)
    busy: dict[UUID, asyncio.Task[None]] = field(default_factory=dict)
    one_large: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> None:
        """Take mails in until cancelled, whatever is away meanwhile."""
        keeper = asyncio.create_task(self._keep())
        try:
            while True:
                try:
                    await self.round()
                except Exception as error:
                    if not is_transient(error):
                        log.exception("intake_broken")
                    await asyncio.sleep(self.interval)
        finally:
            keeper.cancel()
            working = list(self.busy.values())
            for task in working:
                task.cancel()
            await asyncio.gather(keeper, *working, return_exceptions=True)

    async def round(self) -> None:
        """Begin what there is room for; then wait until something has come or ended."""
        self.receiving.came.clear()
        room = AT_ONCE - len(self.busy)
        if room:
            async with self.engine.begin() as connection:
                taken = await inbound.lease(connection, self.lease_id, room, self.lease_seconds)
            for mail_id, tenant_id in taken:
                task = asyncio.create_task(self._work(mail_id, tenant_id))
                self.busy[mail_id] = task
                task.add_done_callback(lambda _, mail_id=mail_id: self._ended(mail_id))  # type: ignore[misc]
        with suppress(TimeoutError):
            async with asyncio.timeout(self.interval):
                await self.receiving.came.wait()

    def _ended(self, mail_id: UUID) -> None:
        self.busy.pop(mail_id, None)
        # There is room again, and the next mail of the same author may go on.
        self.receiving.came.set()

    async def _keep(self) -> None:
        """Keep what is leased while it is in work."""
        while True:
            await asyncio.sleep(self.lease_seconds / 3)
            if self.busy:
                with suppress(SQLAlchemyError, OSError):
                    async with self.engine.begin() as connection:
                        await inbound.renew(connection, self.lease_id, list(self.busy), self.lease_seconds)

    async def _work(self, mail_id: UUID, tenant_id: UUID) -> None:
        """One attempt at one mail; whatever happens, the mail is settled or put back."""
        try:
            async with asyncio.timeout(MOST_SECONDS):
                await self.take_in(mail_id, tenant_id)
        except asyncio.CancelledError:
            await self._put_back(mail_id, tenant_id, 0.0)
            raise
        except NotYet:
            await self._put_back(mail_id, tenant_id, SOON_SECONDS)
        except Exception as error:
            slow = isinstance(error, TimeoutError)  # what is away says so sooner
            if (is_transient(error) and not slow) or isinstance(error, StoreFull):
                log.warning("mail_hindered", mail_id=str(mail_id), error=type(error).__name__)
                await self._put_back(mail_id, tenant_id, LATER_SECONDS)
            else:
                log.exception("mail_broken", mail_id=str(mail_id), tenant_id=str(tenant_id))
                await self._blame(mail_id, tenant_id)

    async def take_in(self, mail_id: UUID, tenant_id: UUID) -> None:
        """Read, decide, write the decision down, do it, and write that down."""
        async with tenant_transaction(self.engine, tenant_id) as connection:
            row = await inbound.leased(connection, mail_id, self.lease_id)
        if row is None:
            return
        if row["attempts"] > MOST_ATTEMPTS:
            await self._settle(row, Park(reason=Reason.FAILED, detail=BROKEN))
        elif row["size"] < LARGE:
            await self._take_in(row)
        else:
            async with self.one_large:
                await self._take_in(row)

    async def _take_in(self, row: Any) -> None:
        letter = Letter(row, await read(row["raw"], row["envelope_sender"]))
        plan = PLAN.validate_python(row["plan"]) if row["plan"] else await self._judge(letter)
        for _ in range(MOST_PLANS):
            if isinstance(plan, Park):
                await self._settle(row, plan)
                return
            try:
                done = await self.filing.carry_out(plan, letter)
            except Replanned as other:
                plan = other.plan
                async with tenant_transaction(self.engine, row["tenant_id"]) as connection:
                    await self._note(connection, letter, plan)
            else:
                await self._settle(row, None, ticket_id=done.ticket_id, comment_id=done.comment_id)
                return
        raise TimeoutError

    async def _judge(self, letter: Letter) -> AnyPlan:
        """What to do, written down unless it is nothing."""
        async with tenant_transaction(self.engine, letter.tenant_id) as connection:
            plan = await self.clerk.judge(connection, letter.row, letter.mail)
            if not isinstance(plan, Park):
                await self._note(connection, letter, plan)
        return plan

    async def _note(self, connection: Any, letter: Letter, plan: AnyPlan) -> None:
        """Write the plan down, and the mail as one of the ticket's conversation: what goes out about it then answers it."""
        row, mail = letter.row, letter.mail
        await inbound.note_plan(connection, row["id"], self.lease_id, plan.model_dump(mode="json"))
        if isinstance(plan, Open | Append) and mail.message_id and mail.sender:
            ticket = plan.ticket_id if isinstance(plan, Append) else letter.process_id
            await note(connection, ticket, mail.message_id, mail.sender.address, row["received_at"], mail.subject)

    async def _settle(
        self, row: Any, park: Park | None, *, ticket_id: UUID | None = None, comment_id: UUID | None = None
    ) -> None:
        values = {"ticket_id": ticket_id, "comment_id": comment_id}
        async with tenant_transaction(self.engine, row["tenant_id"]) as connection:
            if park is not None:
                await self._park(connection, row, park)
            elif await inbound.settle(connection, row["id"], self.lease_id, state="DONE", **values):
                self.counts.settled.labels("DONE").inc()

    async def _park(self, connection: Any, row: Any, park: Park) -> None:
        """Leave it for somebody to look at; an address to which nothing gets through is written to no more."""
        if park.suppress is not None:
            await suppressions.add(connection, park.suppress.address, "bounced", park.suppress.status)
        values = {"reason": park.reason, "detail": park.detail[:1000], "ticket_id": park.ticket_id, "plan": None}
        if await inbound.settle(connection, row["id"], self.lease_id, state="PARKED", **values):
            self.counts.settled.labels(park.reason.value).inc()

    async def _put_back(self, mail_id: UUID, tenant_id: UUID, seconds: float) -> None:
        """Leave it to a later attempt, here or elsewhere. Where that cannot be written, its lease ends by itself."""
        with suppress(SQLAlchemyError, OSError):
            async with tenant_transaction(self.engine, tenant_id) as connection:
                await inbound.put_back(connection, mail_id, self.lease_id, seconds, blameless=True)

    async def _blame(self, mail_id: UUID, tenant_id: UUID) -> None:
        """Our fault, or the mail's: try again a few times, ever later, and then leave it to somebody."""
        with suppress(SQLAlchemyError, OSError):
            async with tenant_transaction(self.engine, tenant_id) as connection:
                row = await inbound.find_mail(connection, mail_id)
                if row is None or row["state"] != "RECEIVED":
                    return
                if row["attempts"] >= MOST_FAULTS:
                    await self._park(connection, row, Park(reason=Reason.FAILED, detail=BROKEN))
                else:
                    later = 2.0 ** row["attempts"]
                    await inbound.put_back(connection, mail_id, self.lease_id, later, blameless=False)
