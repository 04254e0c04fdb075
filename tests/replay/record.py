"""`python -m tests.replay.record`: live through typical tickets on real servers and keep their histories, and the fingerprint."""

import asyncio
import json
import tempfile
import time
import uuid
from collections.abc import Awaitable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from api.errors import Refused
from domain.identity import SYSTEM, Role
from domain.tickets.commands import (
    Absorb,
    AddComment,
    ApplyMacro,
    Assign,
    ChangeTicket,
    ImportComments,
    ImportedComment,
    Merge,
    Relate,
)
from domain.tickets.model import Link, LinkKind, Priority, Status
from tests import stack
from tests.processes.desk import Desk, OneTicket, backstage
from tests.replay import fingerprint
from workflows.timing import ROLL_OVER_ATTEMPTS

HISTORIES: Final = Path(__file__).parent / "histories"


async def young(desk: Desk) -> OneTicket:
    """Just opened, by a customer."""
    return await desk.ticket(Status.NEW, by="customer")


async def midlife(desk: Desk) -> OneTicket:
    """Reminded, answered, reopened, refused something, and waiting again."""
    ticket = await desk.ticket(Status.PENDING_CUSTOMER)
    await ticket.pass_time(days=3, minutes=1)
    await ticket.reply()
    await ticket.reply("agent", internal=True)
    await ticket.move(Status.RESOLVED)
    await ticket.reply()
    await refused(ticket.move(Status.NEW))
    await ticket.move(Status.PENDING_CUSTOMER)
    await ticket.wake()
    return ticket


async def closed(desk: Desk) -> OneTicket:
    """Left alone until it closed by itself."""
    ticket = await desk.ticket(Status.PENDING_CUSTOMER)
    await ticket.pass_time(days=18)
    return ticket


async def long(desk: Desk) -> OneTicket:
    """So busy that it rolled over; both runs are kept."""
    ticket = await desk.ticket(Status.PENDING_CUSTOMER)
    for n in range(ROLL_OVER_ATTEMPTS + 6):
        await ticket.send(ChangeTicket(priority=Priority.HIGH if n % 2 else Priority.LOW))
    await ticket.pass_time(days=3, minutes=1)
    return ticket


async def revived(desk: Desk) -> OneTicket:
    """Lost, and started again from its row."""
    ticket = await desk.ticket(Status.PENDING_CUSTOMER)
    await ticket.handle.terminate("lost")
    await ticket.send(ChangeTicket(priority=Priority.URGENT))
    await ticket.pass_time(days=3, minutes=1)
    await ticket.reply()
    return ticket


async def unborn(desk: Desk) -> OneTicket:
    """Refused by its first decision."""
    ticket = desk.draft(team_id=desk.tenant_id)
    await refused(ticket.deliver_creation())
    return ticket


async def merged(desk: Desk) -> OneTicket:
    """Related, put in order by a macro, and merged into another one."""
    other = await desk.ticket(Status.OPEN)
    ticket = await desk.ticket(Status.OPEN)
    await ticket.send(Relate(link=Link(type=LinkKind.TICKET, target_id=other.id)))
    await ticket.send(Relate(watcher_id=desk.people["lead"].id))
    said = AddComment(comment_id=uuid.UUID(int=1), body="We look at both of them.")
    await ticket.send(ApplyMacro(template_id=other.id, name="Twice", add_tags=("twice",), comment=said))
    await refused(ticket.send(Assign()))
    await ticket.send(Merge(into_id=other.id))
    return ticket


async def absorbing(desk: Desk) -> OneTicket:
    """Reopened by one that was merged into it."""
    ticket = await desk.ticket(Status.RESOLVED)
    at = (await ticket.state()).created_at
    await ticket.send(Absorb(source_id=desk.tenant_id, source_number=7, unanswered=(at,), cc=("a@b.example",)))
    return ticket


async def imported(desk: Desk) -> OneTicket:
    """Taken over from another desk while it waited for its customer, who does not answer."""
    ticket = desk.taken_over(status=Status.PENDING_CUSTOMER)
    await ticket.deliver_creation()
    await ticket.pass_time(days=11)
    return ticket


async def piecemeal(desk: Desk) -> OneTicket:
    """Closed on another desk, and taken over in two pieces."""
    said = {"body": "…", "author_name": "Alex", "author_role": Role.AGENT}
    at = datetime(2020, 1, 2, tzinfo=UTC)
    pieces = [ImportedComment(comment_id=UUID(int=n), at=at, **said) for n in (1, 2)]
    ticket = desk.taken_over(status=Status.CLOSED, comments=tuple(pieces[:1]), incomplete=True)
    await ticket.deliver_creation()
    rest = desk.message(ImportComments(comments=tuple(pieces[1:]), last=True))
    await ticket.deliver(rest.model_copy(update={"actor": SYSTEM}))
    return ticket


async def refused(asked: Awaitable[object]) -> None:
    """Ask for what there is not."""
    with suppress(Refused):
        await asked


LIVES: Final = {
    life.__name__: life
    for life in (young, midlife, closed, long, revived, unborn, merged, absorbing, imported, piecemeal)
}


async def runs(ticket: OneTicket) -> list[dict[str, Any]]:
    """The histories of all runs of a ticket, the first one first, without traces of the machine."""
    client = ticket.desk.stage.environment.client
    found = []
    run = (await ticket.handle.describe()).run_id
    while run:
        history = await client.get_workflow_handle(ticket.handle.id, run_id=run).fetch_history()
        found.append(anonymous(json.loads(history.to_json())))
        started = history.events[0].workflow_execution_started_event_attributes
        run = started.continued_execution_run_id
    return found[::-1]


def anonymous(node: Any) -> Any:
    """Without host names and stack traces."""
    if isinstance(node, dict):
        kept = {name: anonymous(value) for name, value in node.items() if name not in {"stackTrace", "binaryChecksum"}}
        return kept | ({"identity": "recorder"} if "identity" in kept else {})
    return [anonymous(each) for each in node] if isinstance(node, list) else node


async def record(directory: Path) -> list[Path]:
    """Live all lives and write their histories; returns the files."""
    written = []
    with tempfile.TemporaryDirectory() as scratch:
        async with (
            stack.postgres_server(Path(scratch)) as server,
            stack.database(server, "summit_recorded") as database,
            stack.time_skipping_environment() as environment,
            backstage(database, environment) as stage,
        ):
            for name, life in LIVES.items():
                ticket = await life(await stage.desk())
                for n, history in enumerate(await runs(ticket), 1):
                    file = directory / f"ticket-{name}-{n}.json"
                    content = {"workflowId": ticket.handle.id, "history": history}
                    file.write_text(json.dumps(content, separators=(",", ":"), sort_keys=True) + "\n", encoding="utf-8")
                    written.append(file)
    return written


def main() -> None:
    """Replace the stored histories and the stored fingerprint."""
    stack.forget_running_system()
    HISTORIES.mkdir(exist_ok=True)
    written = asyncio.run(record(HISTORIES))
    for file in set(HISTORIES.glob("*.json")) - set(written):
        file.unlink()
    fingerprint.STORED.write_text(fingerprint.current(), encoding="utf-8")
    print("\n".join(file.name for file in written))
    time.sleep(0.5)  # the SDK's threads can abort an interpreter that is going away


if __name__ == "__main__":
    main()
