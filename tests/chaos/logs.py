"""What the processes may not have logged, whatever was done to them."""

import json
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


REPLACED: Final = "run_replaced"


async def check_logs(installation: Installation) -> list[Finding]:
    """Look for signs of trouble in the logs of worker and API; that a run which was replaced did not replay is known."""
    lines = [line for piece in ("worker", "api") for line in installation.log(piece).splitlines()]
    replaced = {json.loads(line)["run_id"] for line in lines if REPLACED in line}
    bad = [line[:600] for line in lines if any(sign in line for sign in NEVER)]
    unknown = [line for line in bad if not any(run in line for run in replaced)]
    return [Finding("the logs show no bug", len(lines), unknown, f"{len(replaced)} runs were replaced")]
