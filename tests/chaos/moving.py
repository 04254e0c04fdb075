"""An import that is killed and started again while what it needs is killed too: every ticket is there, and none is two."""

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from runtime.embedded.processes import until
from tests.chaos.findings import Finding
from tests.chaos.installation import Installation
from tests.imports.desk import NewDesk, new_desk
from tests.imports.exports import zendesk

COMMENTS_EACH: Final = 3
MAKING_SECONDS: Final = 600.0


async def imported(installation: Installation, tickets: int = 10_000) -> list[Finding]:
    """Killed at a tenth and at half; the third run loses worker, Temporal and Postgres on its way. Needs the supervisor."""
    desk = await new_desk(installation.published)
    with tempfile.TemporaryDirectory() as directory:
        export = await asyncio.to_thread(zendesk, Path(directory) / "export", desk.slug, tickets)
        for share in (0.1, 0.5):
            importing = await start(desk, export)
            await made(desk, int(share * tickets))
            importing.kill()
            await importing.wait()
        importing = await start(desk, export)
        for share, piece in ((0.6, "worker"), (0.7, "temporal"), (0.8, "postgres")):
            await made(desk, int(share * tickets))
            old = installation.published["pids"][piece]
            await installation.kill(piece)
            await installation.back(piece, old)
        out, _ = await importing.communicate()
    wrong = [f"the last run ended with {importing.returncode}: {out.decode()}"] * bool(importing.returncode)
    for table, count in {
        "support_tickets": tickets,
        "ticket_comments": COMMENTS_EACH * tickets,
        "processes": tickets,
        "ticket_history": tickets,
    }.items():
        found = await desk.count(table)
        wrong += [f"{found} {table} instead of {count}"] * (found != count)
    note = "; ".join(out.decode().strip().splitlines())
    return [Finding("an import that is killed and started again", tickets, wrong, note)]


async def start(desk: NewDesk, export: Path) -> asyncio.subprocess.Process:
    """An import on its way."""
    return await desk.start("import", "zendesk", str(export), "--tenant", desk.slug)


async def made(desk: NewDesk, count: int) -> None:
    """Wait until so many tickets are there."""

    async def enough() -> bool:
        return await desk.count("support_tickets") >= count

    await until(enough, MAKING_SECONDS)
