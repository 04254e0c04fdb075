"""`python -m tests.chaos`: rounds of kill -9 under load, then the scenarios; prints what was found and fails on any violation."""

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from tests.chaos import crashes, mail, moving, outages, queues
from tests.chaos.assault import Assault
from tests.chaos.desk import Desk
from tests.chaos.findings import Finding, show, violations
from tests.chaos.installation import PIECES, Installation
from tests.chaos.logs import check_logs
from tests.stack import forget_running_system

Scenario = Callable[[Installation], Awaitable[list[Finding]]]

SUPERVISED: dict[str, Scenario] = {
    **{f"creates-{piece}": partial(crashes.killed_during_creates, victim=piece) for piece in PIECES},
    "many-updates": crashes.many_updates,
    "at-once": crashes.at_once,
    "queried": crashes.queried,
    "queue-drained": queues.drained,
    "merged": queues.merged,
    "mail": mail.taken_in,
    "imported": moving.imported,
    "temporal-lost": outages.temporal_lost,
}
ABANDONED: dict[str, Scenario] = {
    "after-commit": partial(crashes.killed_after_commit, api_too=False),
    "after-commit-api": partial(crashes.killed_after_commit, api_too=True),
    "postgres-killed": outages.postgres_away,
    "postgres-frozen": partial(outages.postgres_away, frozen=True),
    "timer-lost": outages.timer_lost,
}


def arguments() -> argparse.Namespace:
    """What to do."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=50, help="how often everything is killed at once (50)")
    parser.add_argument("--ones", type=int, default=20, help="how often one random piece is killed (20)")
    parser.add_argument("--kill-one", action="store_true", help="only kill single pieces, --rounds times")
    parser.add_argument("--seed", type=int, default=None, help="repeat the choices of an earlier run")
    parser.add_argument("--only", choices=["rounds", *SUPERVISED, *ABANDONED], action="append", help="only this part")
    parser.add_argument(
        "--data", type=Path, help="keep databases and logs in this directory, to look at them afterwards"
    )
    return parser.parse_args()


async def run(options: argparse.Namespace, directory: Path) -> list[str]:
    """All parts in turn on one installation; returns every violation."""
    installation = Installation(directory)
    found: list[str] = []
    chosen = options.only or (["rounds"] if options.kill_one else ["rounds", *SUPERVISED, *ABANDONED])

    async def part(title: str, work: Awaitable[list[Finding]]) -> None:
        begun = time.monotonic()
        findings = await work
        found.extend(f"{title}: {violation}" for violation in violations(findings))
        show(f"{title} ({time.monotonic() - begun:.0f} s)", findings)

    try:
        await installation.start()
        if "rounds" in chosen:
            for title, queries, everything, ones in phases(options):
                await part(title, assault(installation, f"{options.seed}/{title}", queries, everything, ones))
        for name in (name for name in SUPERVISED if name in chosen):
            await part(name, SUPERVISED[name](installation))
        alone = [name for name in ABANDONED if name in chosen]
        if alone:
            await installation.abandon()
        for name in alone:
            await part(name, ABANDONED[name](installation))
        await part("logs", check_logs(installation))
    finally:
        await installation.stop()
    return found


def phases(options: argparse.Namespace) -> list[tuple[str, bool, int, int]]:
    """The rounds: title, whether the workflows are queried meanwhile, how often all and how often one is killed."""
    if options.kill_one:
        return [("one piece killed, queries meanwhile", True, 0, options.rounds)]
    quiet = options.rounds // 2
    return [
        ("everything killed", False, quiet, 0),
        ("everything killed, queries meanwhile", True, options.rounds - quiet, 0),
        ("one piece killed, queries meanwhile", True, 0, options.ones),
    ]


async def assault(installation: Installation, seed: str, queries: bool, everything: int, ones: int) -> list[Finding]:
    """One phase of rounds with its own callers."""
    async with Desk(installation) as desk:
        phase = Assault(installation, desk, seed, queries=queries)
        await phase.everything(everything)
        await phase.one(ones)
        return await phase.findings()


def main() -> None:
    """Entry point; exit code 1 on any violation."""
    forget_running_system()
    options = arguments()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="summit-chaos-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)  # Postgres may run as another user, below this directory
        # Told to stop, we stop what we started.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        found = asyncio.run(run(options, options.data or Path(directory) / "data"))
    print(f"{len(found)} violations, seed {options.seed}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
