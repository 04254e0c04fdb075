"""Mail to a desk as other servers bring it: real SMTP to the listener, and what became of it."""

import asyncio
import smtplib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import DictRow, dict_row

from domain.mail.addresses import bounce_address, reply_address, staff_address
from tests.api.front import Front
from tests.stack import Database

SUPPORT = "support@summit.example"
GLOBEX = "support@globex.example"


@dataclass(frozen=True)
class PostOffice:
    """An installation that takes mail, and the people who write to it."""

    front: Front
    database: Database
    port: int

    async def send(
        self, mail: EmailMessage | bytes, *to: str, sender: str = "casey@shop.example", settle: bool = True
    ) -> list[DictRow]:
        """Bring a mail by SMTP; the rows that it became, once they are settled."""
        raw = mail if isinstance(mail, bytes) else mail.as_bytes()
        before = set(await self.ids())
        await asyncio.to_thread(self.deliver, raw, to or (SUPPORT,), sender)
        new = [each for each in await self.ids() if each not in before]
        return await self.settled(new) if settle else await self.mails(new)

    def deliver(self, raw: bytes, to: Sequence[str], sender: str) -> None:
        """The dialogue, as a mail server leads it."""
        with smtplib.SMTP("127.0.0.1", self.port, local_hostname="mx.example", timeout=30) as client:
            client.sendmail(sender, list(to), raw)

    async def ids(self) -> list[UUID]:
        """All mails, the oldest first."""
        return [row["id"] for row in await self.rows("select id from inbound_mails order by received_at, id")]

    async def mails(self, ids: Sequence[UUID]) -> list[DictRow]:
        """Mails by id, the oldest first."""
        query = "select * from inbound_mails where id = any(%(ids)s) order by received_at, mailbox_id"
        return await self.rows(query, ids=list(ids))

    async def settled(self, ids: Sequence[UUID], seconds: float = 30) -> list[DictRow]:
        """The mails, once nothing more happens to them."""
        async with asyncio.timeout(seconds):
            while True:
                found = await self.mails(ids)
                if all(row["state"] != "RECEIVED" for row in found):
                    return found
                await asyncio.sleep(0.02)

    async def opened(self, **parts: Any) -> tuple[EmailMessage, dict[str, Any]]:
        """A mail that opens a ticket, and the ticket."""
        mail = letter(**parts)
        [row] = await self.send(mail)
        assert row["state"] == "DONE", row
        return mail, await self.ticket(row["ticket_id"])

    async def ticket(self, ticket_id: UUID | str, who: str = "admin") -> dict[str, Any]:
        """A ticket as the desk sees it."""
        response = await self.front.call(who, "GET", f"/api/tickets/{ticket_id}")
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    async def comments(self, ticket: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What was said on a ticket, in its order."""
        response = await self.front.call(
            "admin", "GET", f"/api/tickets/{ticket['id']}/comments", params={"sort": "createdAt"}
        )
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()["data"]
        return found

    async def told(self, ticket: Mapping[str, Any], template: str) -> list[DictRow]:
        """The notices of a kind about a ticket."""
        query = (
            "select * from notifications where process_id = %(ticket)s and template = %(template)s order by created_at"
        )
        return await self.rows(query, ticket=UUID(ticket["id"]), template=template)

    async def clocks(self, ticket: Mapping[str, Any]) -> dict[str, str]:
        """Where each promise stands."""
        found = (await self.front.call("admin", "GET", f"/api/tickets/{ticket['id']}/sla")).json()
        return {each["kind"]: each["state"] for each in found["clocks"]}

    async def parked(self, mail: EmailMessage | bytes, *to: str, **how: Any) -> DictRow:
        """Bring a mail that nobody may take for somebody's word; its row."""
        [row] = await self.send(mail, *to, **how)
        assert row["state"] == "PARKED", row
        return row

    async def moved(self, ticket: Mapping[str, Any], status: str, who: str = "agent") -> dict[str, Any]:
        """A ticket after somebody has moved it."""
        response = await self.front.call(who, "PATCH", f"/api/tickets/{ticket['id']}", json={"status": status})
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    async def rows(self, query: str, **values: Any) -> list[DictRow]:
        """A query as the owner."""
        async with await psycopg.AsyncConnection.connect(
            self.database.owner.conninfo(), row_factory=dict_row, autocommit=True
        ) as connection:
            cursor = await connection.execute(query, values)
            return await cursor.fetchall() if cursor.description else []

    async def key(self) -> bytes:
        """What signs the demo tenant's addresses."""
        [row] = await self.rows("select mail_key from tenants where id = %(id)s", id=self.front.seed.tenant_id)
        return bytes(row["mail_key"])

    async def reply_to(self, ticket: Mapping[str, Any]) -> str:
        """The address to which an answer goes: the same for the customer, and everybody who is copied in."""
        return reply_address(SUPPORT, UUID(ticket["id"]), await self.key())

    async def staff_reply_to(self, ticket: Mapping[str, Any], login: str = "agent") -> str:
        """The address to which one of the staff answers, and nobody else."""
        return staff_address(SUPPORT, UUID(ticket["id"]), self.front.seed.users[login], await self.key())

    async def bounce_to(self, notice: UUID) -> str:
        """The address to which a notice's mail comes back."""
        return bounce_address(SUPPORT, notice, await self.key())


def letter(
    text: str = "It does not work.",
    *,
    sender: str = "Casey <casey@shop.example>",
    to: str = SUPPORT,
    subject: str = "No dashboard",
    files: Mapping[str, bytes] | None = None,
    html: str | None = None,
    **headers: str,
) -> EmailMessage:
    """A mail; underscores in names of headers are dashes."""
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = sender, to, subject
    given = {"Message_ID": f"<{uuid.uuid4().hex}@shop.example>", "Date": "Mon, 02 Mar 2026 10:00:00 +0000", **headers}
    mail.set_content(text)
    for name, value in given.items():
        if value:
            mail[name.replace("_", "-")] = value
    if html is not None:
        mail.add_alternative(html, subtype="html")
    for name, content in (files or {}).items():
        mail.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return mail


def answer(to: EmailMessage | str, text: str = "Thank you.", **parts: Any) -> EmailMessage:
    """A mail that answers another one, or a Message-ID."""
    message_id = to if isinstance(to, str) else str(to["Message-ID"])
    return letter(text, **{"subject": "Re: No dashboard", "In_Reply_To": message_id, "References": message_id, **parts})


def written_under(sent: EmailMessage, text: str, **headers: str | None) -> EmailMessage:
    """What a mail program makes of a click on Reply under a mail that it got: all that it knows stands in that mail."""
    message_id, body = str(sent["Message-ID"]), sent.get_body(("plain",))
    assert body is not None
    shown = "".join(f"> {line}\n" for line in str(body.get_content()).splitlines())
    named = {
        "sender": str(sent["To"]),
        "to": str(sent["Reply-To"] or sent["From"]),
        "subject": f"Re: {str(sent['Subject']).removeprefix('Re: ')}",
        "In_Reply_To": message_id,
        "References": f"{sent['References'] or ''} {message_id}".strip(),
    }
    quoted = f"{text}\n\nOn Mon, 2 Mar 2026 at 10:05, {sent['From']} wrote:\n\n{shown}"
    return letter(quoted, **{**named, **{name: value or "" for name, value in headers.items()}})


def fresh(name: str = "casey") -> str:
    """An address that no other test uses."""
    return f"{name}-{uuid.uuid4().hex[:10]}@shop.example"
