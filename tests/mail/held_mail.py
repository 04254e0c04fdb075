"""Mail that processes of the tests hold, lose and come back to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any

from prometheus_client import CollectorRegistry

from api.mail.intake import Intake
from api.mail.making import make_intake
from db.inbound import Leased
from tests.mail.postoffice import PostOffice, letter


@asynccontextmanager
async def nobody_working(post: PostOffice) -> AsyncIterator[None]:
    """Leases of processes that are gone, on whatever comes meanwhile: the intake finds nothing to do."""
    await post.rows(
        "create or replace function held() returns trigger language plpgsql as $$ begin"
        " new.lease_id := gen_random_uuid(); new.leased_until := now() + interval '1 hour'; return new; end $$;"
        "create or replace trigger held before insert on inbound_mails for each row execute function held()"
    )
    try:
        yield
    finally:
        await post.rows("drop trigger held on inbound_mails")


async def freed(post: PostOffice, sender: str) -> None:
    """The leases end."""
    await post.rows("update inbound_mails set leased_until = now() where author = %(who)s", who=sender)


async def mine(post: PostOffice, sender: str) -> list[dict[str, Any]]:
    return await post.rows("select * from inbound_mails where author = %(who)s order by received_at, id", who=sender)


async def tickets(post: PostOffice, sender: str) -> int:
    [row] = await post.rows("select count(*) as n from support_tickets where customer_email = %(who)s", who=sender)
    return int(row["n"])


async def held(post: PostOffice, sender: str, mail: EmailMessage | None = None) -> tuple[Intake, Leased]:
    """A process of the test's own, and a mail that it has and nobody has begun with."""
    async with nobody_working(post):
        await post.send(mail or letter(sender=sender), settle=False)
    [row] = await mine(post, sender)
    own = make_intake(post.front.app.state.services, CollectorRegistry())
    return own, Leased(row["id"], row["tenant_id"], row["lease_id"], row["size"])


async def leased_by_another(post: PostOffice, mail: Leased) -> None:
    """The lease of a mail ends, and another process has it."""
    await post.rows("update inbound_mails set lease_id = gen_random_uuid() where id = %(id)s", id=mail.id)
