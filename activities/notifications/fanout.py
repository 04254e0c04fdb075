"""From a symbol to people: one row per person and channel, exactly once, a page of people at a time."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from db.outbox import DELIVERED, NEXT_PAGE, PEOPLE, Connection, Pool, as_tenant, fan_out, hand_on, rows
from domain.identity import Role
from domain.ids import derived_id
from domain.notifications.preferences import SEEN_TO, channels_for, read_preferences
from domain.notifications.recipients import Kind, Recipient
from domain.process import Channel
from notify.channel import Undeliverable

PAGE: Final = 500
FIRST: Final = UUID(int=0)
NOBODY: Final = "There is nobody to tell."

Group = tuple[str, UUID | None, Role | None]


def groups(recipient: Recipient) -> list[Group]:
    """Whom a symbol means; where that is nobody, the next one. In the end the administrators are told."""
    admins: Group = ("role", None, Role.ADMIN)
    leads: Group = ("role", None, Role.LEAD)
    match recipient.kind:
        case Kind.ROLE:
            return [("role", None, recipient.role), admins]
        case Kind.TEAM:
            return [("team", recipient.id, None), ("lead", recipient.id, None), leads, admins]
        case _:
            # Nobody keeps a rota yet, so whoever is on call is whoever leads.
            return [("lead", recipient.id, None), leads, admins]


def represented(item: Mapping[str, Any], recipient: Recipient) -> Recipient:
    """Who leads the ticket's team, where what must be seen to is for somebody who is no active user any more."""
    if recipient.kind is Kind.PERSON and item["template"] in SEEN_TO and not item["facts"]["active"]:
        return Recipient(Kind.LEAD, item["facts"]["team_id"])
    return recipient


async def expand(pool: Pool, item: Mapping[str, Any], recipient: Recipient) -> None:
    """Write the next page of copies, and that it is written, in one transaction. Raises Undeliverable when there is nobody to tell."""
    if recipient.kind is Kind.ADDRESS:
        await hand_on(pool, item["tenant_id"], item["id"], [copy(item, recipient.address, Channel.EMAIL)])
    elif recipient.kind is Kind.PERSON:
        if not item["facts"]["active"]:
            raise Undeliverable(NOBODY)
        await hand_on(pool, item["tenant_id"], item["id"], copies(item, item["facts"]["user_id"], item["facts"]))
    else:
        await expand_group(pool, item, recipient)


async def expand_group(pool: Pool, item: Mapping[str, Any], recipient: Recipient) -> None:
    """The next page of those whom a symbol stands for."""
    async with as_tenant(pool, item["tenant_id"]) as connection:
        people = await page(connection, recipient, item["expanded_after"])
        await fan_out(
            connection, item["id"], [each for person in people for each in copies(item, person["id"], person)]
        )
        if len(people) == PAGE:
            await connection.execute(NEXT_PAGE.text, {"id": item["id"], "last": people[-1]["id"]})
        else:
            await connection.execute(DELIVERED.text, {"id": item["id"]})


async def page(connection: Connection, recipient: Recipient, after: UUID | None) -> list[dict[str, Any]]:
    """The next people of the first group that has any."""
    for kind, group, role in groups(recipient):
        values = {"kind": kind, "id": group, "role": role, "after": FIRST}
        if await rows(connection, PEOPLE, **values, most=1):
            return await rows(connection, PEOPLE, **{**values, "after": after or FIRST}, most=PAGE)
    raise Undeliverable(NOBODY)


def copies(item: Mapping[str, Any], person: UUID, known: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The copies for one person, of whom the preferences are known."""
    return [copy(item, str(person), channel) for channel in wanted(item, known["preferences"])]


def wanted(item: Mapping[str, Any], stored: Mapping[str, Any]) -> tuple[Channel, ...]:
    """The channels of a copy: the row's own, or those that the person prefers."""
    if item["channel"] != Channel.PREFERRED:
        return (Channel(item["channel"]),)
    return channels_for(item["template"], read_preferences(stored))


def copy(item: Mapping[str, Any], recipient: str, channel: Channel) -> dict[str, Any]:
    """One copy. Its id is the one that a decision would have given it, so that nobody is told twice of one thing."""
    if item["process_id"] is None:
        made = derived_id(item["id"], recipient, channel)
    else:
        made = derived_id(item["process_id"], item["rung"], item["template"], recipient, channel)
    return {"id": made, "recipient": recipient, "channel": channel}
