"""Mail by SMTP, over a few connections that are kept open while there is mail."""

import asyncio
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Literal

import aiosmtplib

from notify.channel import Mail, NoSuchAddress, TooLargeForServer, Undeliverable, Undelivered
from notify.email import compose, plain_address

SECONDS: Final = 10.0
"""How long each answer of the server is waited for."""

MOST_SECONDS: Final = 30.0
"""How long a mail takes at most, and WAIT_SECONDS how long it waits for a connection: together below the lease of its row."""

WAIT_SECONDS: Final = 20.0

MOST_CONNECTIONS: Final = 4
MOST_MAILS: Final = 100
"""So many mails go over one connection; servers end longer ones as abuse."""

IDLE_SECONDS: Final = 30.0
"""Less than what servers wait for the next mail."""

NOBODY: Final = frozenset({550, 551, 553})
FULL: Final = 552
GOING: Final = 421
POLICY: Final = re.compile(r"\s*5\.7\.")
"""The enhanced status of refusals that are about us or the content, not about the address (RFC 3463)."""

AWAY: Final = (aiosmtplib.SMTPException, OSError, TimeoutError)


@dataclass
class Connection:
    """A connection to the server, signed in."""

    client: aiosmtplib.SMTP
    mails: int = 0
    used_at: float = 0.0

    @property
    def good(self) -> bool:
        """Whether another mail may go over it."""
        young = self.mails < MOST_MAILS and time.monotonic() - self.used_at < IDLE_SECONDS
        return young and self.client.is_connected

    async def hand_over(self, sender: str, recipient: str, message: bytes) -> None:
        """One mail. Raises what the server or the network does."""
        # A connection without TLS or a user has not been greeted yet; the first command does that.
        options = [f"size={len(message)}"] if self.client.supports_extension("size") else []
        await self.client.mail(sender, options=options)
        await self.client.rcpt(recipient)
        await self.client.data(message)

    async def end(self) -> None:
        """Say good-bye, as far as anybody listens."""
        with suppress(*AWAY):
            await self.client.quit(timeout=2.0)
        self.client.close()


@dataclass
class Smtp:
    """A server that takes our mail; `tls` as in SUMMIT_SMTP_TLS, `ca_file` names whom to trust beside the usual authorities."""

    host: str
    port: int
    user: str | None = None
    password: str | None = None
    tls: Literal["auto", "off", "starttls", "tls"] = "auto"
    ca_file: str | None = None
    free: list[Connection] = field(default_factory=list, init=False, repr=False)
    places: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(MOST_CONNECTIONS), init=False, repr=False
    )

    async def send(self, mail: Mail) -> int | None:
        """Deliver. A recipient whom the server will never take is undeliverable; whatever else fails is tried again."""
        # Files are large, and the loop has other mail to send.
        message = await asyncio.to_thread(compose, mail) if mail.files else compose(mail)
        sender, recipient = plain_address(mail.envelope or mail.sender), plain_address(mail.to)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self.places.acquire()
        except TimeoutError as error:
            raise Undelivered("All connections to the mail server are busy.") from error
        try:
            async with asyncio.timeout(MOST_SECONDS):
                await self._hand_over(sender, recipient, message)
        except AWAY as error:
            raise judged(error) from error
        finally:
            self.places.release()
        return None

    async def tend(self) -> None:
        """End connections that have been idle for too long."""
        idle = [each for each in self.free if not each.good]
        self.free = [each for each in self.free if each.good]
        for each in idle:
            await each.end()

    async def close(self) -> None:
        """End all that are not in use; the next mail opens another."""
        idle, self.free = self.free, []
        for each in idle:
            await each.end()

    async def _hand_over(self, sender: str, recipient: str, message: bytes) -> None:
        """Keep the connection after a mail that went out or was refused; after anything else nobody knows what it is worth."""
        connection = await self._kept() or await self._opened()
        keep = False
        try:
            await connection.hand_over(sender, recipient, message)
            keep = True
        except aiosmtplib.SMTPResponseException as error:
            keep = error.code != GOING
            raise
        finally:
            connection.mails += 1
            connection.used_at = time.monotonic()
            if keep and connection.client.is_connected:
                self.free.append(connection)
            else:
                connection.client.close()

    async def _kept(self) -> Connection | None:
        """One that is open. It is asked before anything is said on it: when its server has ended it, no mail is in doubt."""
        while self.free:
            connection = self.free.pop()
            if not connection.good:
                await connection.end()
                continue
            try:
                await connection.client.rset()
            except AWAY:
                connection.client.close()
            except BaseException:
                connection.client.close()
                raise
            else:
                return connection
        return None

    async def _opened(self) -> Connection:
        client = aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            username=self.user,
            password=self.password,
            timeout=SECONDS,
            use_tls=self.tls == "tls",
            start_tls={"off": False, "starttls": True}.get(self.tls),
            cert_bundle=self.ca_file,
        )
        await client.connect()
        return Connection(client)


def judged(error: Exception) -> Undelivered:
    """What an error means for the mail. The texts are for the log, without addresses."""
    if isinstance(error, aiosmtplib.SMTPRecipientRefused):
        reason = f"The mail server refuses the recipient ({error.code})."
        if error.code in NOBODY and not POLICY.match(error.message):
            return NoSuchAddress(reason, error.code)
        # A mailbox that is full today may have room tomorrow.
        kind = Undeliverable if error.code >= 500 and error.code != FULL else Undelivered
        return kind(reason, error.code)
    if isinstance(error, aiosmtplib.SMTPNotSupported):
        return Undeliverable("The mail server cannot take such an address.")
    if isinstance(error, aiosmtplib.SMTPResponseException):
        kind = TooLargeForServer if error.code == FULL else Undelivered
        return kind(f"The mail server answers {error.code}.", error.code)
    return Undelivered(f"The mail server cannot be used ({type(error).__name__}).")
