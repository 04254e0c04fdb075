"""Mail by SMTP."""

import asyncio
from dataclasses import dataclass
from typing import Final, Literal

import aiosmtplib

from notify.channel import Mail, Undeliverable, Undelivered
from notify.email import compose, plain_address

SECONDS: Final = 10.0
"""How long each answer of the server is waited for."""

MOST_SECONDS: Final = 30.0
"""How long a mail takes at most, below the lease of its row."""


@dataclass(frozen=True)
class Smtp:
    """A server that takes our mail; `tls` as in SUMMIT_SMTP_TLS."""

    host: str
    port: int
    user: str | None = None
    password: str | None = None
    tls: Literal["auto", "off", "starttls", "tls"] = "auto"

    async def send(self, mail: Mail) -> int | None:
        """Deliver. A recipient whom the server will never take is undeliverable; whatever else fails is tried again."""
        message = compose(mail)
        try:
            async with asyncio.timeout(MOST_SECONDS):
                await aiosmtplib.send(
                    message,
                    sender=mail.sender,
                    recipients=[plain_address(mail.to)],
                    hostname=self.host,
                    port=self.port,
                    username=self.user,
                    password=self.password,
                    timeout=SECONDS,
                    use_tls=self.tls == "tls",
                    start_tls={"off": False, "starttls": True}.get(self.tls),
                )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [refusal.code for refusal in error.recipients]
            kind = Undeliverable if codes and min(codes) >= 500 else Undelivered
            raise kind(f"The mail server refuses the recipient ({codes[0] if codes else '?'}).") from error
        except aiosmtplib.SMTPNotSupported as error:
            raise Undeliverable("The mail server cannot take such an address.") from error
        except aiosmtplib.SMTPResponseException as error:
            raise Undelivered(f"The mail server answers {error.code}.", error.code) from error
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise Undelivered(f"The mail server cannot be used ({type(error).__name__}).") from error
        return None
