"""What the processes may not have logged, whatever was done to them."""

from typing import Final

from tests.chaos.findings import Finding
from tests.chaos.installation import Installation

NEVER: Final = (
    "decision_broken",
    "postgres_behind",
    "process_ahead_of_postgres",
    "auditor_broken",
    "Nondeterminism",
    "TMPRL1100",
)
"""Signs of a bug, of lost rows or of a history that does not replay."""


async def check_logs(installation: Installation) -> list[Finding]:
    """Look for signs of trouble in the logs of worker and API."""
    lines = [line for piece in ("worker", "api") for line in installation.log(piece).splitlines()]
    bad = [line[:400] for line in lines if any(sign in line for sign in NEVER)]
    return [Finding("the logs show no bug", len(lines), bad)]
