"""When one of the staff gets too much mail at once: further mail waits a minute, and what gathers is told as one."""

from collections.abc import Mapping
from typing import Any, Final

from activities.notifications.settling import Held
from db.outbox import GATHER, Pool, once
from domain.ids import derived_id
from domain.notifications.attempts import WINDOW, flood
from domain.notifications.preferences import DIRECT

MOST_GATHERED: Final = 200
"""So many lines has a digest at most; what is beyond makes the next one."""


async def gathered(pool: Pool, item: Mapping[str, Any]) -> bool:
    """Whether a digest has just been made that tells of this mail too; else it may go out by itself. Raises Held.

    The digest's id is derived from the row that it began with, and a row is told of by one digest, so each is told once.
    """
    found = item["facts"]
    what = flood(found["waiting"], found["recent"])
    if what == "HOLD":
        raise Held(found["first_recent"] + WINDOW)
    if what == "DIGEST":
        values = {
            "recipient": item["recipient"],
            "direct": sorted(DIRECT),
            "mine": item["id"],
            "digest": derived_id("digest", item["id"]),
            "most": MOST_GATHERED,
        }
        await once(pool, item["tenant_id"], GATHER, values)
    return what == "DIGEST"
