"""Who hears of a ticket beside its customer: of the addresses that are to be copied in, those of the staff watch instead."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from db.tickets.relations import colleagues_at
from domain.tickets.model import MOST_COPIES, MOST_WATCHERS

MOST_ADDRESSES: Final = MOST_COPIES + MOST_WATCHERS
"""What is looked up; a ticket has no room for more."""


async def listening(connection: AsyncConnection, addresses: Sequence[str]) -> dict[str, Any]:
    """The `cc` and the `watchers` of a ticket, of addresses that each stand there once.

    A copy gets the customers' address to answer to, where nothing proves an answer to be of the staff; who watches gets their own.
    """
    looked_up = addresses[:MOST_ADDRESSES]
    staff = await colleagues_at(connection, looked_up)
    copies = tuple(each for each in looked_up if each.lower() not in staff)[:MOST_COPIES]
    return {"cc": copies, **({"watchers": tuple(dict.fromkeys(staff.values()))[:MOST_WATCHERS]} if staff else {})}
