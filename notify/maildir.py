"""Mail into a directory, where no mail server is set."""

import asyncio
import mailbox
from dataclasses import dataclass
from pathlib import Path

from notify.channel import Mail, Undelivered
from notify.email import compose, plain_address


@dataclass(frozen=True)
class Maildir:
    """A maildir, made at the first mail. A repeated mail stands there again, under the same Message-ID.

    As a server that delivers does (RFC 5321, 4.4), it writes the envelope sender above the message: where a bounce must go.
    """

    directory: Path

    async def send(self, mail: Mail) -> int | None:
        """Deliver: when this returns, the file is in `new/`."""
        message = await asyncio.to_thread(compose, mail) if mail.files else compose(mail)
        path = f"Return-Path: <{plain_address(mail.envelope or mail.sender)}>\r\n".encode()
        try:
            await asyncio.to_thread(self._add, path + message)
        except OSError as error:
            raise Undelivered(f"The mail directory cannot be written ({type(error).__name__}).") from error
        return None

    async def tend(self) -> None:
        """Nothing is kept open."""

    async def close(self) -> None:
        """Nothing is kept open."""

    def _add(self, content: bytes) -> None:
        self.directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # `make up` has made the directory itself, and mailbox makes what it needs only where there is none.
        if not (self.directory / "new").exists():
            for name in ("tmp", "new", "cur"):
                (self.directory / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        # As bytes: a message would be taken apart and put together again.
        mailbox.Maildir(self.directory, create=False).add(content.replace(b"\r\n", b"\n"))
