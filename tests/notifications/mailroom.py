"""A dispatcher on a real database, a mail server and an HTTP receiver of the test's own."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import psycopg
from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import Envelope
from psycopg.rows import DictRow, dict_row

from activities.notifications.dispatcher import Dispatcher
from activities.notifications.making import make_dispatcher
from cli.demo import DemoSeed
from db.connections import outbox_pool
from runtime.blobs import FolderBlobs
from runtime.embedded.ports import free_port
from runtime.settings import APP_ROLE
from tests.api.front import settings_for
from tests.stack import Database

LOOPBACK = "127.0.0.0/8"

POST = """
insert into notifications (id, tenant_id, process_id, revision, rung, template, recipient, channel, payload)
values (%(id)s, %(tenant)s, %(process)s, 1, %(rung)s, %(template)s, %(recipient)s, %(channel)s, %(payload)s)
"""
PROCESS = """
insert into processes (id, tenant_id, kind, workflow_id, revision, confirmed_revision)
values (%(id)s, %(tenant)s, 'ticket', %(workflow)s, 1, 1)
"""
TICKET = """
insert into support_tickets (id, tenant_id, number, status, status_since, customer_email, subject, description, priority,
    severity, channel, sla_tier, tags, fields, mailbox_id, account_id, reopens, created_at, updated_at, version)
values (%(id)s, %(tenant)s, nextval('mailroom_numbers'), 'OPEN', now(), %(email)s, %(subject)s, 'D', 'LOW', 'SEV4', 'API', 'BASIC',
    '{}', '{}', %(mailbox)s, %(account)s, 0, now(), now(), 1)
"""
COMMENT = """
insert into ticket_comments (id, tenant_id, ticket_id, revision, author_id, author_name, author_role, body, internal, automatic,
    created_at)
values (%(id)s, %(tenant)s, %(ticket)s, 1, %(author)s, 'Alex Agent', 'AGENT', %(body)s, %(internal)s, %(automatic)s, now())
"""
EVENT = """
insert into events (tenant_id, type, entity, entity_id, version, at, internal, account_id, address, payload)
values (%(tenant)s, %(type)s, 'ticket', %(entity)s, 1, now(), %(internal)s, %(account)s, %(address)s, '{"number": 7}')
returning xid, seq
"""
MAILBOX = """
insert into mailboxes (tenant_id, address, name, is_default) values (%(tenant)s, %(address)s, %(name)s, %(default)s)
on conflict (address) where active do update set name = excluded.name returning id
"""
THREAD = """
insert into mail_threads (tenant_id, ticket_id, message_id, address, subject, at)
values (%(tenant)s, %(ticket)s, %(message)s, %(address)s, %(subject)s, %(at)s)
"""
FILE = """
with file as (
    insert into attachments (tenant_id, ticket_id, file_name, content_type, size, sha256)
    values (%(tenant)s, %(ticket)s, %(name)s, %(type)s, %(size)s, %(sha256)s) returning id
)
insert into ticket_attachments (tenant_id, attachment_id, ticket_id, comment_id)
select %(tenant)s, id, %(ticket)s, %(comment)s from file
"""
PERSON = """
insert into users (tenant_id, email, name, role, preferences) values (%(tenant)s, %(email)s, %(name)s, %(role)s, %(preferences)s)
returning id
"""


@dataclass
class MailServer:
    """Takes every mail, but for those whom `judge` refuses with a line of its own."""

    port: int
    taken: list[EmailMessage] = field(default_factory=list)
    judge: Callable[[str], str | None] = lambda _: None
    tried: list[str] = field(default_factory=list)
    weigh: Callable[[bytes], str | None] = lambda _: None
    envelopes: list[str] = field(default_factory=list)
    sessions: set[Any] = field(default_factory=set)
    secured: list[bool] = field(default_factory=list)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:
        self.tried.append(address)
        refusal = self.judge(address)
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        self.sessions.add(session.peer)
        if refusal := self.weigh(content):
            return refusal
        self.envelopes.append(envelope.mail_from or "")
        self.secured.append(server.transport.get_extra_info("sslcontext") is not None)
        self.taken.append(message_from_bytes(content, policy=policy.default))
        return "250 OK"

    def to(self, address: str) -> list[EmailMessage]:
        """What has come for one address."""
        return [mail for mail in self.taken if address in str(mail["To"])]


@dataclass
class Received:
    """One call that came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """An HTTP server that notes what it gets and answers as told, by path."""

    port: int
    got: list[Received] = field(default_factory=list)
    answers: dict[str, list[int]] = field(default_factory=dict)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[Received]:
        return [each for each in self.got if each.path == path]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            path = head[0].split()[1]
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.got.append(Received(path, headers, body))
            planned = self.answers.get(path, [])
            status = planned.pop(0) if len(planned) > 1 else planned[0] if planned else 200
            extra = "Location: http://127.0.0.1/elsewhere\r\n" if status == 302 else ""
            writer.write(f"HTTP/1.1 {status} X\r\n{extra}Content-Length: 2\r\nConnection: close\r\n\r\nok".encode())
            await writer.drain()
        finally:
            writer.close()


@dataclass
class Mailroom:
    """The outbox of the demo's tenant, and what comes out of it."""

    database: Database
    seed: DemoSeed
    dispatcher: Dispatcher
    mail: MailServer
    receiver: Receiver
    blobs: FolderBlobs

    async def rows(self, query: str, **values: Any) -> list[DictRow]:
        """A query as the owner."""
        async with await psycopg.AsyncConnection.connect(
            self.database.owner.conninfo(), row_factory=dict_row, autocommit=True
        ) as connection:
            cursor = await connection.execute(query, values)
            return await cursor.fetchall() if cursor.description else []

    async def post(
        self,
        template: str = "invitation",
        recipient: str = "",
        channel: str = "EMAIL",
        ticket: UUID | None = None,
        tenant: UUID | None = None,
        **payload: Any,
    ) -> UUID:
        """A row as a decision writes it; without a ticket as a record does."""
        row = uuid.uuid4()
        values = {
            "id": row,
            "tenant": tenant or self.seed.tenant_id,
            "process": ticket,
            "rung": str(row),
            "template": template,
            "recipient": recipient or fresh_address(),
            "channel": channel,
            "payload": json.dumps({"name": "Ada", "token": "t0ken", **payload}),
        }
        await self.rows(POST, **values)
        return row

    async def ticket(
        self, subject: str = "No dashboard", mailbox: UUID | None = None, account: UUID | None = None
    ) -> UUID:
        """A ticket to write about, by default one that came to no mailbox and belongs to no account."""
        values = {"id": uuid.uuid4(), "tenant": self.seed.tenant_id, "email": "casey@shop.example", "subject": subject}
        values |= {"mailbox": mailbox, "account": account}
        await self.rows("create sequence if not exists mailroom_numbers start 700000")
        await self.rows(PROCESS, **values, workflow=f"ticket/{values['id']}")
        await self.rows(TICKET, **values)
        made = values["id"]
        assert isinstance(made, UUID)
        return made

    async def comment(
        self, ticket: UUID, body: str, *, internal: bool = False, by_hand: bool = True, automatic: bool = False
    ) -> str:
        """A comment on it, by an agent unless it is not by hand."""
        author = self.seed.users["agent"] if by_hand else None
        values = {"id": uuid.uuid4(), "tenant": self.seed.tenant_id, "ticket": ticket, "author": author}
        await self.rows(COMMENT, **values, body=body, internal=internal, automatic=automatic)
        return str(values["id"])

    async def mailbox(self, address: str, name: str = "Acme Help", *, default: bool = False) -> UUID:
        """A mailbox of the desk; the default one is the tenant's until the next test."""
        values = {"tenant": self.seed.tenant_id, "address": address, "name": name, "default": default}
        [row] = await self.rows(MAILBOX, **values)
        made = row["id"]
        assert isinstance(made, UUID)
        return made

    async def came(self, ticket: UUID, message: str, address: str, subject: str | None = None, minute: int = 0) -> None:
        """A mail that came to a ticket."""
        at = datetime(2026, 3, 1, 9, tzinfo=UTC) + timedelta(minutes=minute)
        values = {"tenant": self.seed.tenant_id, "ticket": ticket, "message": message, "address": address}
        await self.rows(THREAD, **values, subject=subject, at=at)

    async def attached(self, ticket: UUID, comment: str, name: str, content: bytes, kind: str = "text/plain") -> None:
        """A file of a comment."""

        async def chunks() -> AsyncIterator[bytes]:
            yield content

        stored = await self.blobs.put(self.seed.tenant_id, chunks(), len(content))
        values = {"tenant": self.seed.tenant_id, "ticket": ticket, "comment": comment, "name": name, "type": kind}
        await self.rows(FILE, **values, size=stored.size, sha256=stored.sha256)

    async def person(self, role: str = "AGENT", preferences: Mapping[str, Any] | None = None) -> tuple[str, str]:
        """Somebody new: id and address."""
        address = fresh_address()
        values = {"tenant": self.seed.tenant_id, "email": address, "name": "Pat", "role": role}
        [row] = await self.rows(PERSON, **values, preferences=json.dumps(preferences or {}))
        return str(row["id"]), address

    async def event(self, kind: str = "ticket.created", **values: Any) -> DictRow:
        """Something that happened."""
        named = {"internal": False, "account": None, "address": None, "entity": uuid.uuid4(), **values}
        [row] = await self.rows(EVENT, tenant=self.seed.tenant_id, type=kind, **named)
        return row

    async def row(self, row: UUID) -> DictRow:
        """A row of the outbox as it stands."""
        [found] = await self.rows("select * from notifications where id = %(id)s", id=row)
        return found

    async def due_now(self, row: UUID) -> None:
        """Let the time pass until the next attempt."""
        await self.rows("update notifications set not_before = now() - interval '1 s' where id = %(id)s", id=row)


def fresh_address() -> str:
    """An address that no other test uses."""
    return f"{uuid.uuid4().hex[:12]}@shop.example"


@asynccontextmanager
async def mailroom(database: Database, seed: DemoSeed, **settings: Any) -> AsyncIterator[Mailroom]:
    """A mailroom with servers of its own; nothing is delivered before `dispatcher.drain()`."""
    mail, receiver = MailServer(free_port()), Receiver(free_port())
    controller = UnthreadedController(mail, hostname="127.0.0.1", port=mail.port, loop=asyncio.get_running_loop())
    controller.server_coro = controller._create_server()
    smtp = await controller.server_coro
    http = await asyncio.start_server(receiver.serve, "127.0.0.1", receiver.port)
    wanted = {
        "smtp_host": "127.0.0.1",
        "smtp_port": mail.port,
        "smtp_tls": "off",
        "allow_targets": LOOPBACK,
        "public_url": "https://api.shop.example",
        "portal_url": "https://help.shop.example/",
        "mail_from": "support@acme-support.example",
        **settings,
    }
    files = TemporaryDirectory()
    pool = outbox_pool(database.app.conninfo(APP_ROLE), 4)
    try:
        async with pool:
            told = settings_for(database.app, files_dir=files.name, **wanted)
            dispatcher = make_dispatcher(told, pool, pump_seconds=0.0)
            try:
                yield Mailroom(database, seed, dispatcher, mail, receiver, FolderBlobs(Path(files.name)))
            finally:
                await dispatcher.upkeep.close()
    finally:
        files.cleanup()
        for server in (smtp, http):
            server.close()
            await server.wait_closed()


def subjects(mails: Sequence[EmailMessage]) -> list[str]:
    """The subjects, in the order of arrival."""
    return [str(mail["Subject"]) for mail in mails]
