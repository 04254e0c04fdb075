"""One run of an import, from the look at the files to the summary."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from api.confirmations import Confirmations
from api.processes import Processes
from cli.imports.model import Bad, OldTicket, Options, Source, Unreadable
from cli.imports.orders import Orders
from cli.imports.records import Directory, Records
from cli.imports.sending import End, Sender, patiently
from cli.imports.survey import Refusals, Survey, survey
from db.engine import make_engine, tenant_transaction
from db.identity import public_tenant
from db.imports import references
from db.ticket_fields import shown_fields
from runtime.settings import Settings
from runtime.temporal import connect

NOTHING_REFUSED, SOMETHING_REFUSED, NOT_BEGUN = 0, 1, 2
"""Exit codes."""

SAYING_SECONDS: Final = 30.0
"""How often a run that no terminal shows says how far it is."""

READING, SENDING, AWAY = "Reading", "Importing", "Waiting for Temporal or Postgres"
COLUMNS: Final = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TextColumn("{task.fields[rate]}"),
    TimeRemainingColumn(),
)


@dataclass
class Import:
    """An import of one path into one tenant."""

    path: Path
    options: Options
    open_source: Callable[[], Source]
    in_flight: int
    settings: Settings = field(default_factory=Settings)
    ends: Counter[End] = field(default_factory=Counter)
    seconds: float = 0.0
    said_at: float = 0.0

    async def run(self, slug: str, *, dry_run: bool) -> int:
        """Do it; the exit code says whether anything was refused."""
        async with self._engine() as engine:
            async with engine.connect() as connection:
                tenant = await public_tenant(connection, slug, "")
            if tenant is None:
                typer.echo("There is no such tenant.", err=True)
                return NOT_BEGUN
            console = Console(stderr=True)
            with Progress(*COLUMNS, console=console, transient=True, disable=not console.is_terminal) as progress:
                try:
                    source, refusals, found = self._look(tenant["id"], progress)
                except Unreadable as error:
                    typer.echo(str(error), err=True)
                    return NOT_BEGUN
                await self._warn(engine, tenant["id"], source)
                directory = Directory()
                if not dry_run:
                    directory = await self._import(engine, tenant["id"], source, found, refusals, progress)
        self._sum_up(found, refusals, directory, dry_run=dry_run)
        return SOMETHING_REFUSED if refusals.count else NOTHING_REFUSED

    @asynccontextmanager
    async def _engine(self) -> AsyncIterator[AsyncEngine]:
        engine = make_engine(self.settings)
        try:
            yield engine
        except DBAPIError as error:
            raise error.orig or error from error
        finally:
            await engine.dispose()

    def _look(self, tenant_id: UUID, progress: Progress) -> tuple[Source, Refusals, Survey]:
        """Read everything before anything is written."""
        task = progress.add_task(READING, total=None, rate="")
        source = self.open_source()
        refusals = Refusals(self.path)
        found = survey(source, refusals, tenant_id, self.options, lambda: progress.advance(task))
        progress.remove_task(task)
        return source, refusals, found

    async def _warn(self, engine: AsyncEngine, tenant_id: UUID, source: Source) -> None:
        """Say what customers will see although the other desk keeps it from them: the tenant's own definitions have the last word."""
        async with tenant_transaction(engine, tenant_id) as connection:
            shown = await shown_fields(connection, source.staff_fields())
        if shown:
            typer.echo(
                f"Customers see these fields of the staff, as this tenant defines them: {', '.join(shown)}.", err=True
            )

    async def _import(
        self,
        engine: AsyncEngine,
        tenant_id: UUID,
        source: Source,
        found: Survey,
        refusals: Refusals,
        progress: Progress,
    ) -> Directory:
        task = progress.add_task(SENDING, total=len(found.keys), rate="")
        client: Client = await patiently(lambda: connect(self.settings), self._waits(progress, task))
        directory = await Records(engine, tenant_id, self.options).write(source)
        async with tenant_transaction(engine, tenant_id) as connection:
            there = await references(connection, self.options.prefix)
        keys = found.keys | {each.partition(":")[2] for each in there}
        orders = Orders(tenant_id, self.options, directory, frozenset(keys))
        begun = time.perf_counter()

        def done(end: End, bad: Bad | None) -> None:
            self.ends[end] += 1
            if bad:
                refusals.add(bad)
            self.seconds = time.perf_counter() - begun
            progress.update(task, advance=1, rate=f"{self.rate():.0f}/s")
            if progress.disable and self.seconds >= self.said_at + SAYING_SECONDS:
                self.said_at = self.seconds
                typer.echo(f"{self.ends.total()} of {len(found.keys)}, {self.rate():.0f} made a second", err=True)

        budget = self.settings.request_budget_seconds
        processes = Processes(client, engine, self.settings.task_queue, budget, Confirmations(engine))
        sender = Sender(processes, self.in_flight, done, self._waits(progress, task))
        for where, ticket in source.tickets():
            if isinstance(ticket, OldTicket) and found.places.get(ticket.key) == where and ticket.key in found.keys:
                order = orders.of(ticket)
                await sender.take(order, where, there=order.external_ref in there)
        await sender.finish()
        return directory

    def rate(self) -> float:
        """Tickets made in a second."""
        return self.ends[End.MADE] / self.seconds if self.seconds else 0.0

    def _waits(self, progress: Progress, task: TaskID) -> Callable[[bool], None]:
        return lambda away: progress.update(task, description=AWAY if away else SENDING)

    def _sum_up(self, found: Survey, refusals: Refusals, directory: Directory, *, dry_run: bool) -> None:
        total = len(found.keys) + found.refused + found.left_out
        refused = found.refused + self.ends[End.REFUSED]
        made, there = self.ends[End.MADE], self.ends[End.THERE]
        left = f", {found.left_out} left out (deleted there)" if found.left_out else ""
        typer.echo(f"{total} tickets with {found.comments} comments read; {refused} tickets refused{left}.")
        if dry_run:
            typer.echo("Nothing was written, as asked.")
        else:
            new = ", ".join(f"{count} {kind}" for kind, count in directory.made.items())
            typer.echo(f"{made} tickets made, {there} were there already; new: {new}.")
        if made:
            typer.echo(f"{self.rate():.1f} tickets a second, {self.seconds:.1f} s.")
        if refusals.count:
            typer.echo(f"{refusals.count} refused, for the reasons in {refusals.path}.", err=True)
