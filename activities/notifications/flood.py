"""When one of the staff gets too much mail at once: further mail waits a minute, and what gathers is told as one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from activities.notifications.settling import Held
from db.outbox import FLOOD, GATHER, Connection, row
from domain.ids import derived_id
from domain.notifications.attempts import WINDOW, flood
from domain.notifications.preferences import DIRECT

MOST_GATHERED: Final = 200
"""So many lines has a digest at most; what is beyond makes the next one."""


async def gathered(connection: Connection, item: Mapping[str, Any], now: datetime) -> bool:
    """Whether a digest has just been made that tells of this mail too; else it may go out by itself. Raises Held.

    The digest's id is derived from the row that it began with, and a row is told of by one digest, so each is told once.
    """
    direct = sorted(DIRECT)
    found = await row(connection, FLOOD, recipient=item["recipient"], since=now - WINDOW, direct=direct)
    if found is None:
        return False
    what = flood(found["waiting"], found["recent"])
    if what == "HOLD":
        raise Held(found["first"] + WINDOW)
    if what == "DIGEST":
        await connection.execute(
            GATHER.text,
            {
                "recipient": item["recipient"],
                "direct": direct,
                "mine": item["id"],
                "digest": derived_id("digest", item["id"]),
                "most": MOST_GATHERED,
            },
        )
    return what == "DIGEST"
