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

from api.errors import is_transient
from api.loops import surviving
from api.mail.clerk import Clerk, NotYet
from api.mail.filing import Done, Filing, Letter, Replanned
from api.mail.receiving import Receiving, read
from api.runner import LeaseLost
from db import inbound, suppressions, undelivered
from db.engine import tenant_transaction
from db.inbound import Leased
from db.mail_threads import confirm, note
from domain.mail.plans import PLAN, AnyPlan, Append, Open, Park, Reason
from runtime.blobs import StoreFull

log = structlog.get_logger(__name__)

AT_ONCE: Final = 8
"""Mails in work in one process."""

ALONE_BYTES: Final = 1024 * 1024
"""Of mails from this size on one process has one at a time: they take memory."""

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
    busy: dict[Leased, asyncio.Task[None]] = field(default_factory=dict)

    async def run(self) -> None:
        """Take mails in until cancelled, whatever is away meanwhile."""
        keeper = asyncio.create_task(self.keep())
        try:
            while True:
                async with surviving("intake", self.interval):
                    await self.round()
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
            for mail in await self._lease(room):
                self.begin(mail)
        with suppress(TimeoutError):
            async with asyncio.timeout(self.interval):
                await self.receiving.came.wait()

    async def _lease(self, room: int) -> list[Leased]:
        """So many mails at most, and no large one beside another that is in work."""
        most_large = 0 if any(mail.size >= ALONE_BYTES for mail in self.busy) else 1
        async with self.engine.begin() as connection:
            return await inbound.lease(
                connection, uuid4(), room, self.lease_seconds, large=ALONE_BYTES, most_large=most_large
            )

    def begin(self, mail: Leased) -> asyncio.Task[None]:
        """Take a leased mail in beside the others."""
        task = asyncio.create_task(self._work(mail))
        self.busy[mail] = task
        task.add_done_callback(lambda _: self._ended(mail))
        return task

    def _ended(self, mail: Leased) -> None:
        self.busy.pop(mail, None)
        # There is room again, and the next mail of the same author may go on.
        self.receiving.came.set()

    async def keep(self) -> None:
        """Keep what is leased while it is in work, and leave what somebody else has by now."""
        while True:
            await asyncio.sleep(self.lease_seconds / 3)
            async with surviving("mail_leases"):
                await self._renew()

    async def _renew(self) -> None:
        working = list(self.busy.items())
        if not working:
            return
        async with self.engine.begin() as connection:
            kept = await inbound.renew(connection, [mail for mail, _ in working], self.lease_seconds)
        for mail, task in working:
            if (mail.id, mail.lease_id) not in kept:
                task.cancel()

    async def _work(self, mail: Leased) -> None:
        """One attempt at one mail; whatever happens, the mail is settled or put back."""
        about = {"mail_id": str(mail.id), "tenant_id": str(mail.tenant_id)}
        try:
            async with asyncio.timeout(MOST_SECONDS):
                await self.take_in(mail)
        except LeaseLost:
            log.warning("mail_lost", **about)
        except asyncio.CancelledError:
            await self._put_back(mail, 0.0)
            raise
        except NotYet:
            await self._put_back(mail, SOON_SECONDS)
        except Exception as error:
            slow = isinstance(error, TimeoutError)  # what is away says so sooner
            if (is_transient(error) and not slow) or isinstance(error, StoreFull):
                log.warning("mail_hindered", error=type(error).__name__, **about)
                await self._put_back(mail, LATER_SECONDS)
            else:
                log.exception("mail_broken", **about)
                await self._blame(mail)

    async def take_in(self, mail: Leased) -> None:
        """Read, decide, write the decision down, do it, and write that down. Raises LeaseLost."""
        async with tenant_transaction(self.engine, mail.tenant_id) as connection:
            row = await inbound.leased(connection, mail)
        if row is None:
            raise LeaseLost
        if row["attempts"] > MOST_ATTEMPTS:
            await self._set_aside(row, Park(reason=Reason.FAILED, detail=BROKEN))
        else:
            await self._take_in(row)

    async def _take_in(self, row: Any) -> None:
        letter = Letter(row, await read(row["raw"], row["envelope_sender"]))
        plan = await self._plan(letter)
        for _ in range(MOST_PLANS):
            if isinstance(plan, Park):
                await self._set_aside(row, plan)
                return
            try:
                done = await self.filing.carry_out(plan, letter)
            except Replanned as other:
                plan = other.plan
                async with tenant_transaction(self.engine, row["tenant_id"]) as connection:
                    await self._note(connection, letter, plan)
            else:
                await self._settle(letter, done)
                return
        raise TimeoutError

    async def _plan(self, letter: Letter) -> AnyPlan:
        """What to do, written down unless it is nothing; what was decided before is, lest its note of long ago is gone by now."""
        row = letter.row
        async with tenant_transaction(self.engine, letter.tenant_id) as connection:
            planned = PLAN.validate_python(row["plan"]) if row["plan"] else None
            plan = planned or await self.clerk.judge(connection, row, letter.mail)
            if not isinstance(plan, Park):
                await self._note(connection, letter, plan)
        return plan

    async def _note(self, connection: Any, letter: Letter, plan: AnyPlan) -> None:
        """Write the plan down, and the mail as one of the ticket's conversation: what goes out about it then answers it.

        Raises LeaseLost: whoever has the mail now may have planned something else.
        """
        row, mail = letter.row, letter.mail
        if not await inbound.note_plan(connection, row["id"], row["lease_id"], plan.model_dump(mode="json")):
            raise LeaseLost
        if isinstance(plan, Open | Append) and mail.message_id and mail.sender:
            ticket = plan.ticket_id if isinstance(plan, Append) else letter.process_id
            await note(connection, ticket, mail.message_id, mail.sender.address, row["received_at"], mail.subject)

    async def _settle(self, letter: Letter, done: Done) -> None:
        """It has become something, so what was noted of it stays."""
        row, message_id = letter.row, letter.mail.message_id
        values = {"state": "DONE", "ticket_id": done.ticket_id, "comment_id": done.comment_id}
        async with tenant_transaction(self.engine, letter.tenant_id) as connection:
            if not await inbound.settle(connection, row["id"], row["lease_id"], **values):
                raise LeaseLost
            if message_id:
                await confirm(connection, done.ticket_id, message_id)
        self.counts.settled.labels("DONE").inc()

    async def _set_aside(self, row: Any, park: Park) -> None:
        async with tenant_transaction(self.engine, row["tenant_id"]) as connection:
            await self._park(connection, row["id"], row["lease_id"], park)
        self.counts.settled.labels(park.reason.value).inc()

    async def _park(self, connection: Any, mail_id: UUID, lease_id: UUID, park: Park) -> None:
        """Leave it for somebody to look at; an address to which nothing gets through is written to no more, and of an answer that
        came back the staff hear."""
        if park.suppress is not None:
            await suppressions.add(connection, park.suppress.address, "bounced", park.suppress.status)
        if park.came_back is not None:
            await undelivered.bounced(connection, park.came_back.notice, park.came_back.status)
        values = {"reason": park.reason, "detail": park.detail[:1000], "ticket_id": park.ticket_id, "plan": None}
        if not await inbound.settle(connection, mail_id, lease_id, state="PARKED", **values):
            raise LeaseLost

    async def _put_back(self, mail: Leased, seconds: float) -> None:
        """Leave it to a later attempt, here or elsewhere. Where that cannot be written, its lease ends by itself."""
        with suppress(SQLAlchemyError, OSError):
            async with tenant_transaction(self.engine, mail.tenant_id) as connection:
                await inbound.put_back(connection, mail, seconds, blameless=True)

    async def _blame(self, mail: Leased) -> None:
        """Our fault, or the mail's: try again a few times, ever later, and then leave it to somebody."""
        with suppress(SQLAlchemyError, OSError, LeaseLost):
            async with tenant_transaction(self.engine, mail.tenant_id) as connection:
                row = await inbound.find_mail(connection, mail.id)
                if row is None:
                    return
                if row["attempts"] < MOST_FAULTS:
                    await inbound.put_back(connection, mail, 2.0 ** row["attempts"], blameless=False)
                    return
                await self._park(connection, mail.id, mail.lease_id, Park(reason=Reason.FAILED, detail=BROKEN))
            self.counts.settled.labels(Reason.FAILED.value).inc()
