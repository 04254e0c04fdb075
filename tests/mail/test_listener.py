"""The listener among other mail servers: nothing is acknowledged that is not kept, and nobody keeps others waiting."""

import asyncio
import secrets
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from api.mail import receiving, server
from api.mail.receiving import Receiving
from api.mail.server import Door, Listener
from db.engine import make_engine
from runtime.embedded.ports import free_port
from tests.api.front import settings_for
from tests.mail.postoffice import GLOBEX, SUPPORT, PostOffice, fresh, letter


@asynccontextmanager
async def listening(post: PostOffice, *, lmtp: bool = False, away: bool = False) -> AsyncIterator[int]:
    """A listener of the test's own; `away`: its database is somewhere where there is none."""
    place = post.database.app.model_copy(update={"port": free_port()}) if away else post.database.app
    engine, port = make_engine(settings_for(place)), free_port()
    async with Listener("127.0.0.1", port, Door(Receiving(engine), lmtp=lmtp), 2_000_000, "mx.example"):
        yield port
    await engine.dispose()


class Client:
    """A client that says what the test says."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=15, source_address=(host, 0))
        self.file = self.socket.makefile("rb")
        self.greeting = self.answer()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self.file.close()
        self.socket.close()

    def answer(self) -> str:
        """The server's next answer, all of its lines."""
        lines = [self.file.readline().decode()]
        while lines[-1][3:4] == "-":
            lines.append(self.file.readline().decode())
        return "".join(lines)

    def says(self, line: bytes) -> str:
        """A command, and what is answered."""
        self.socket.sendall(line + b"\r\n")
        return self.answer()

    def begins(self, *to: str, sender: str = "casey@shop.example", greeting: bytes = b"EHLO") -> "Client":
        """Everything before the content."""
        assert self.says(greeting + b" mx.example").startswith("250")
        assert self.says(b"MAIL FROM:<%s>" % sender.encode()).startswith("250")
        for address in to or (SUPPORT,):
            assert self.says(b"RCPT TO:<%s>" % address.encode()).startswith("250")
        assert self.says(b"DATA").startswith("354")
        return self


async def asked(port: int, *lines: bytes) -> list[str]:
    """What is answered to these lines."""

    def ask() -> list[str]:
        with Client(port) as client:
            return [client.says(line) for line in lines]

    return await asyncio.to_thread(ask)


async def test_a_mailbox_that_there_is_not_is_refused_at_once(post: PostOffice) -> None:
    answers = await asked(
        post.port,
        b"EHLO x",
        b"MAIL FROM:<a@x.example>",
        b"RCPT TO:<nobody@summit.example>",
        b"RCPT TO:<support+token@summit.example>",
        b"RCPT TO:<SUPPORT@SUMMIT.EXAMPLE>",
    )
    assert [each[:3] for each in answers[2:]] == ["550", "250", "250"]


async def test_a_mailbox_that_is_not_active_takes_nothing(post: PostOffice) -> None:
    address = fresh("old")
    box = await post.front.created("admin", "/api/mailboxes", {"address": address, "name": "Old"})
    await post.front.call("admin", "PATCH", f"/api/mailboxes/{box['id']}", json={"active": False})
    answers = await asked(post.port, b"EHLO x", b"MAIL FROM:<a@x.example>", b"RCPT TO:<%s>" % address.encode())
    assert answers[-1].startswith("550 5.1.1")


async def test_the_limit_is_announced_and_held(post: PostOffice) -> None:
    greeting, announced = await asked(post.port, b"EHLO x", b"MAIL FROM:<a@x.example> SIZE=2000001")
    assert "SIZE 2000000" in greeting
    assert announced.startswith("552")
    sender = fresh()

    def send() -> str:
        with Client(post.port) as client:
            client.begins().socket.sendall(letter(sender=sender).as_bytes() + b"line\r\n" * 400_000)
            return client.says(b".")

    assert (await asyncio.to_thread(send)).startswith("552")
    assert await post.rows("select id from inbound_mails where author = %(who)s", who=sender) == []


async def test_a_line_without_an_end_takes_no_memory(post: PostOffice) -> None:
    def flood() -> str:
        with Client(post.port) as client:
            client.begins()
            for _ in range(200):
                client.socket.sendall(b"x" * 100_000)
            return client.says(b"\r\n.")

    assert (await asyncio.to_thread(flood)).startswith("552")


async def test_dots_and_what_follows_a_mail_are_told_apart(post: PostOffice) -> None:
    sender = fresh()
    head = b"From: %s\r\nMessage-ID: <%s>\r\n\r\n" % (sender.encode(), sender.encode())

    def pipelined() -> list[str]:
        with Client(post.port) as client:
            client.begins()
            body = (
                head + b"..dot first\r\n...\r\nnot the end:\n.\nstill not\r\n.\r\nNOOP\r\nMAIL FROM:<b@x.example>\r\n"
            )
            for place in range(0, len(body), 7):
                client.socket.sendall(body[place : place + 7])
            return [client.answer(), client.answer(), client.answer()]

    assert [each[:3] for each in await asyncio.to_thread(pipelined)] == ["250", "250", "250"]
    [row] = await post.rows("select raw, state from inbound_mails where author = %(who)s", who=sender)
    assert bytes(row["raw"]) == head + b".dot first\r\n..\r\nnot the end:\n.\nstill not\r\n"


@pytest.mark.parametrize("content", [b".\r\n", b"\r\n.\r\n"], ids=["nothing", "an empty line"])
async def test_a_mail_without_content_ends(post: PostOffice, content: bytes) -> None:
    def empty() -> str:
        with Client(post.port) as client:
            client.begins()
            client.socket.sendall(content)
            return client.answer()

    assert (await asyncio.to_thread(empty)).startswith("250")


async def test_storage_that_is_away_is_told_as_temporary(post: PostOffice) -> None:
    async with listening(post, away=True) as port:
        answers = await asked(port, b"EHLO x", b"MAIL FROM:<a@x.example>", b"RCPT TO:<support@summit.example>")
    assert answers[-1].startswith("451 4.3.0")


async def test_a_mail_that_cannot_be_written_is_not_acknowledged(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: Any) -> None:
        raise OSError("no space")

    async with listening(post) as port:
        monkeypatch.setattr(Receiving, "keep", fails)

        def hand_over() -> str:
            with Client(port) as client:
                client.begins()
                return client.says(letter(sender=fresh()).as_bytes() + b"\r\n.")

        assert (await asyncio.to_thread(hand_over)).startswith("451")


async def test_what_is_broken_off_is_no_mail_and_keeps_nobody_waiting(post: PostOffice) -> None:
    sender = fresh()

    def begin() -> Client:
        client = Client(post.port).begins()
        client.socket.sendall(b"From: %s\r\n\r\nHalf a" % sender.encode())
        return client

    slow = [await asyncio.to_thread(begin) for _ in range(10)]
    begun = time.monotonic()
    await post.send(letter(sender=fresh()))
    assert time.monotonic() - begun < 5
    for each in slow:
        each.close()
    await asyncio.sleep(0.2)
    assert await post.rows("select id from inbound_mails where author = %(who)s", who=sender) == []


async def test_who_says_nothing_is_hung_up_on(post: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.3)
    async with listening(post) as port:

        def wait() -> bytes:
            with Client(port) as client:
                client.begins()
                client.socket.sendall(b"From: a@x.example\r\n")
                return client.file.read()

        assert await asyncio.to_thread(wait) == b""


async def test_connections_too_many_are_turned_away_and_there_is_room_again(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 2)
    async with listening(post) as port:
        clients = [await asyncio.to_thread(Client, port) for _ in range(3)]
        assert [each.greeting[:3] for each in clients] == ["220", "220", "421"]
        for each in clients:
            each.close()
        await asyncio.sleep(0.1)
        with await asyncio.to_thread(Client, port) as client:
            assert client.greeting.startswith("220")


async def test_one_address_cannot_take_all_connections(post: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_OF_ONE", 2)
    async with listening(post) as port:
        clients = [await asyncio.to_thread(Client, port) for _ in range(3)]
        assert [each.greeting[:3] for each in clients] == ["220", "220", "421"]
        with await asyncio.to_thread(Client, port, "127.0.0.2") as client:
            assert client.greeting.startswith("220")
        for each in clients:
            each.close()
        await asyncio.sleep(0.1)
        with await asyncio.to_thread(Client, port) as client:
            assert client.greeting.startswith("220")


async def test_mails_that_are_too_much_together_are_put_off_and_there_is_room_again(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_COMING", 2_000_000)

    def begin(port: int) -> Client:
        client = Client(port).begins()
        client.socket.sendall(letter(sender=fresh()).as_bytes() + b"line\r\n" * 200_000)
        return client

    async with listening(post) as port:
        first = await asyncio.to_thread(begin, port)
        await asyncio.sleep(0.3)
        second = await asyncio.to_thread(begin, port)
        assert (await asyncio.to_thread(second.says, b".")).startswith("451 4.3.1")
        assert (await asyncio.to_thread(second.says, b"NOOP")).startswith("250")
        third = await asyncio.to_thread(begin, port)
        third.close()
        assert (await asyncio.to_thread(first.says, b".")).startswith("250")
        with await asyncio.to_thread(begin, port) as fourth:
            assert (await asyncio.to_thread(fourth.says, b".")).startswith("250")
        for each in (first, second):
            each.close()


async def test_a_mail_that_can_never_be_written_is_refused_for_good(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    filed_as = receiving.filed_as

    async def endless(*arguments: Any) -> Any:
        return replace(await filed_as(*arguments), message_id=secrets.token_urlsafe(20_000))

    monkeypatch.setattr(receiving, "filed_as", endless)
    async with listening(post) as port:

        def hand_over() -> str:
            with Client(port) as client:
                client.begins()
                return client.says(letter(sender=fresh()).as_bytes() + b"\r\n.")

        assert (await asyncio.to_thread(hand_over)).startswith("554 5.6.0")


async def test_what_follows_a_mail_is_let_go_when_the_client_has_hung_up(post: PostOffice) -> None:
    dialogue = Listener("127.0.0.1", 0, Door(Receiving(post.front.app.state.services.engine)), 1_000, "x").dialogue()
    dialogue.space = server.Space(1_000)
    dialogue._reader = asyncio.StreamReader()
    dialogue._reader.feed_data(b"A: b\r\n\r\n..c\r\n.\r\nNOOP\r\n")
    dialogue._reader.feed_eof()
    assert await dialogue.read_content() == b"A: b\r\n\r\n.c\r\n"
    assert dialogue._timeout_handle is not None
    dialogue._timeout_handle.cancel()


async def test_commands_without_end_are_ended(post: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_COMMANDS", 3)
    async with listening(post) as port:
        answers = await asked(port, *[b"NOOP"] * 4)
    assert [each[:3] for each in answers] == ["250", "250", "250", "421"]


async def test_lmtp_answers_for_each_recipient(post: PostOffice) -> None:
    sender = fresh()
    async with listening(post, lmtp=True) as port:

        def hand_over() -> list[str]:
            with Client(port) as client:
                assert client.says(b"EHLO x").startswith("500")
                assert client.says(b"LHLO x").startswith("250")
                client.says(b"MAIL FROM:<a@x.example>")
                for address in (SUPPORT, GLOBEX):
                    client.says(b"RCPT TO:<%s>" % address.encode())
                client.says(b"DATA")
                client.socket.sendall(letter(sender=sender).as_bytes() + b"\r\n.\r\n")
                return [client.answer(), client.answer()]

        assert [each[:3] for each in await asyncio.to_thread(hand_over)] == ["250", "250"]
    rows = await post.rows("select tenant_id from inbound_mails where author = %(who)s", who=sender)
    assert len({row["tenant_id"] for row in rows}) == 2


async def test_lmtp_answers_for_each_recipient_also_that_a_mail_is_not_taken(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(*_: Any) -> str:
        raise KeyError("a fault of ours")

    def hand_over(port: int, content: bytes) -> list[str]:
        with Client(port) as client:
            client.begins(SUPPORT, GLOBEX, greeting=b"LHLO").socket.sendall(content + b"\r\n.\r\n")
            return [client.answer()[:3] for _ in range(2)]

    async with listening(post, lmtp=True) as port:
        assert await asyncio.to_thread(hand_over, port, b"line\r\n" * 400_000) == ["552"] * 2
    monkeypatch.setattr(Door, "handle_DATA", breaks)
    async with listening(post, lmtp=True) as port:
        assert await asyncio.to_thread(hand_over, port, b"Subject: x\r\n") == ["451"] * 2


async def test_the_listener_tells_nothing_of_who_is_there(post: PostOffice) -> None:
    _, verified, expanded = await asked(post.port, b"EHLO x", b"VRFY support@summit.example", b"EXPN support")
    assert (verified[:3], expanded[:3]) == ("252", "502")
