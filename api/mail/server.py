"""The SMTP dialogue (or LMTP): who may be written to, how much, and how long; the content goes on as it came, untouched."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, cast

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, syntax

from api.errors import is_unwritable
from api.mail.receiving import Destination, Receiving

log = structlog.get_logger(__name__)

IDLE_SECONDS: Final = 60.0
"""So long may a client say nothing."""

DATA_SECONDS: Final = 600.0
"""So long may one mail take, however steadily it comes."""

MOST_CONNECTIONS: Final = 200
MOST_OF_ONE: Final = 50
"""Connections from one address; a mail server of the house that stands in front needs some."""

MOST_COMING: Final = 256 * 1024 * 1024
"""Bytes of mails that are on their way in at the same time, over all connections."""

MOST_RECIPIENTS: Final = 100
MOST_COMMANDS: Final = 1_000
"""Of each kind, on one connection."""

READ_LIMIT: Final = 64 * 1024
DOT: Final = b"\r\n."
END: Final = b"\r\n.\r\n"

UNKNOWN: Final = "550 5.1.1 There is no such mailbox"
AWAY: Final = "451 4.3.0 The mail cannot be kept now; try again later"
NEVER: Final = "554 5.6.0 The mail cannot be kept"
TOO_LARGE: Final = "552 5.3.4 Error: Too much mail data"
CROWDED: Final = "451 4.3.1 Too much mail comes at this moment; try again later"
KEPT: Final = "250 2.0.0 Kept"

# It writes addresses and what clients say.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)


class TurnedAway(Exception):
    """A mail whose content is not taken; `answer` says why."""

    def __init__(self, answer: str) -> None:
        super().__init__(answer)
        self.answer = answer


class Accepted(Envelope):
    """A mail on its way in, with the mailboxes to which it goes."""

    def __init__(self) -> None:
        super().__init__()
        self.destinations: list[Destination] = []


@dataclass
class Space:
    """Memory for the content of mails that come in, shared by all connections of a process."""

    most: int
    taken: dict["Dialogue", int] = field(default_factory=dict)

    def take(self, who: "Dialogue", size: int) -> bool:
        """Have so many bytes altogether; False when the others leave no room for them."""
        others = sum(self.taken.values()) - self.taken.get(who, 0)
        if others + size > self.most:
            return False
        self.taken[who] = size
        return True

    def free(self, who: "Dialogue") -> None:
        """Have none any more."""
        self.taken.pop(who, None)


@dataclass
class Door:
    """What the dialogue asks us: aiosmtpd finds these methods by their names."""

    receiving: Receiving
    lmtp: bool = False

    async def handle_RCPT(self, server: Any, session: Any, envelope: Accepted, address: str, options: Any) -> str:
        """Take a recipient for whom there is a mailbox."""
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        try:
            found = await self.receiving.find(address)
        except Exception as error:
            log.warning("mail_storage_away", error=type(error).__name__)
            return AWAY
        if found is None:
            return UNKNOWN
        envelope.rcpt_tos.append(address)
        envelope.destinations.append(found)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Accepted) -> str:
        """Keep the mail, and only then say so."""
        try:
            await self.receiving.keep(
                cast("bytes", envelope.content), read_sender(envelope.mail_from), envelope.destinations
            )
        except Exception as error:
            if is_unwritable(error):
                log.error("mail_unwritable", error=type(error).__name__)
                return NEVER
            # Whatever it is, the sender's server has the mail still, and comes again.
            log.warning("mail_storage_away", error=type(error).__name__)
            return AWAY
        return KEPT

    async def handle_exception(self, error: Exception) -> str:
        """A fault of ours is no reason to lose a mail."""
        log.error("mail_dialogue_broken", exc_info=error)
        return "451 4.3.0 Something went wrong here; try again later"


def read_sender(sender: str | None) -> str:
    """The envelope's sender; empty for mail that must not be answered."""
    plain = (sender or "").strip("<>").replace("\0", "")
    return plain.encode("utf-8", "replace").decode()[:320]


class Dialogue(SMTP):
    """aiosmtpd's dialogue, but for the content of a mail: that it reads line by line, and a line without an end without end."""

    line_length_limit = READ_LIMIT
    lost: Callable[["Dialogue"], None] = lambda _: None
    space: Space

    def connection_lost(self, error: Exception | None) -> None:
        """Let the listener know that there is room for another."""
        self.lost(self)
        super().connection_lost(error)

    def _create_envelope(self) -> Envelope:
        return Accepted()

    @syntax("DATA")
    async def smtp_DATA(self, arg: str) -> None:
        """Take the content, as far as it is not too much, and hand it on."""
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):
            return
        envelope = cast("Accepted", self.envelope)
        if not envelope.rcpt_tos:
            await self.push("503 5.5.1 Error: need RCPT command")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        try:
            status = await self._take(envelope)
        except TurnedAway as turned:
            status = turned.answer
        except OSError:  # of the connection
            raise
        except Exception as error:
            # Where the content ends may be unknown then: nothing more is read, and aiosmtpd hangs up.
            await self.push(self.answers(await self.handle_exception(error), len(envelope.rcpt_tos)))
            raise asyncio.CancelledError from error
        finally:
            self.space.free(self)
            self.envelope = self._create_envelope()
        await self.push(self.answers(status, len(envelope.rcpt_tos)))

    async def _take(self, envelope: Accepted) -> str:
        """Read the content and hand it on; what is answered. Raises TurnedAway."""
        envelope.content = envelope.original_content = await self.read_content()
        return cast("str", await self._call_handler_hook("DATA"))

    def answers(self, status: str, recipients: int) -> str:
        """What is said when the content has come."""
        return status

    async def read_content(self) -> bytes:
        """Everything up to the line with the dot, without the dots that were doubled. Raises TurnedAway when it is too much.

        Only CRLF ends a line here: a lone line feed before a dot ends nothing, or mails could be smuggled into others.
        """
        loop, limit = asyncio.get_running_loop(), self.data_size_limit or 0
        until = loop.time() + DATA_SECONDS
        # The line break of the DATA command: a dot that comes first ends an empty mail.
        content, seen, refusal = bytearray(b"\r\n"), 0, ""
        while True:
            self._reset_timeout(max(0.01, min(IDLE_SECONDS, until - loop.time())))
            # All that has come so far: what follows the mail can then be given back.
            piece = await self._reader.read(1 << 30)
            if not piece:
                raise asyncio.CancelledError
            content += piece
            end = content.find(END, max(0, seen - len(END)))
            if end >= 0:
                self._reset_timeout()
                # A client that has hung up meanwhile waits for no answer to what follows.
                if len(content) > end + len(END) and not self._reader.at_eof():
                    self._reader.feed_data(bytes(memoryview(content)[end + len(END) :]))
                del content[end + 2 :]
            size = len(content) - 2
            if size > limit > 0:
                refusal = TOO_LARGE
            elif not refusal and not self.space.take(self, size):
                refusal = CROWDED
            if refusal:
                self.space.free(self)
                del content[: -len(END)]
            if end >= 0 and refusal:
                raise TurnedAway(refusal)
            if end >= 0:
                return undotted(content)
            seen = len(content)


def undotted(content: bytearray) -> bytes:
    """What follows the first line break, without the dots that were doubled. It is held twice at most: `content` is empty then."""
    whole = bytes(memoryview(content)[3 if content.startswith(DOT) else 2 :])
    content.clear()
    return whole.replace(DOT, b"\r\n")


class LmtpDialogue(Dialogue, LMTP):
    """The same for a mail server of our own that hands mail over."""

    def answers(self, status: str, recipients: int) -> str:
        """LMTP wants an answer for each recipient (RFC 2033, 4.2)."""
        return "\r\n".join([status] * recipients)


@dataclass
class Entrance(asyncio.Protocol):
    """Sees who comes; a connection too many is turned away, and any other gets a dialogue."""

    listener: "Listener"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or say why not and hang up."""
        transport = cast("asyncio.Transport", transport)
        peer = str((transport.get_extra_info("peername") or ("",))[0])
        others = self.listener.open
        if len(others) >= MOST_CONNECTIONS or sum(each == peer for each in others.values()) >= MOST_OF_ONE:
            transport.write(b"421 4.7.0 Too many connections; try again later\r\n")
            transport.close()
            return
        dialogue = self.listener.dialogue()
        others[dialogue] = peer
        transport.set_protocol(dialogue)
        dialogue.connection_made(transport)


@dataclass
class Listener:
    """Listens while it is entered; ends the connections that are open when it is left."""

    host: str
    port: int
    door: Door
    most_bytes: int
    name: str
    open: dict[Dialogue, str] = field(default_factory=dict)
    """With the address of who is at the other end."""
    server: asyncio.Server | None = None
    space: Space = field(init=False)

    def __post_init__(self) -> None:
        """One mail of the largest size has room whatever is set."""
        self.space = Space(max(MOST_COMING, self.most_bytes))

    async def __aenter__(self) -> "Listener":
        """Listen. Raises OSError when the port is taken."""
        self.server = await asyncio.get_running_loop().create_server(lambda: Entrance(self), self.host, self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, and hang up: a mail that is not acknowledged yet is sent again."""
        if self.server is None:
            return
        self.server.close()
        for each in list(self.open):
            if each.transport is not None:
                each.transport.close()
        await self.server.wait_closed()

    def dialogue(self) -> Dialogue:
        """A dialogue for one more connection."""
        kind = LmtpDialogue if self.door.lmtp else Dialogue
        dialogue = kind(
            self.door,
            data_size_limit=self.most_bytes,
            enable_SMTPUTF8=True,
            hostname=self.name,
            ident="Summit",
            timeout=IDLE_SECONDS,
            auth_exclude_mechanism=("LOGIN", "PLAIN"),
            command_call_limit=MOST_COMMANDS,
            loop=asyncio.get_running_loop(),
        )
        dialogue.lost = self._lost
        dialogue.space = self.space
        return dialogue

    def _lost(self, dialogue: Dialogue) -> None:
        self.open.pop(dialogue, None)
