"""What every channel of delivery has in common: a message, and the ways in which sending one fails."""

from dataclasses import dataclass
from typing import Protocol, TypeVar

M = TypeVar("M", contravariant=True)


class Undelivered(Exception):
    """The message did not get through now; another attempt may. The text is for the log: no addresses, no bodies."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class Undeliverable(Undelivered):
    """The message will never get through as it is, so it is not tried again."""


@dataclass(frozen=True)
class Mail:
    """One mail to one person. `id` makes the Message-ID, `thread` the conversation that mail programs show it in."""

    id: str
    to: str
    subject: str
    text: str
    html: str
    sender: str
    sender_name: str
    thread: str | None = None


@dataclass(frozen=True)
class Post:
    """One HTTP call. `id` is the same at each attempt, so that the receiver can tell a repeat; `secret` signs it."""

    id: str
    url: str
    body: str
    secret: str = ""


class Channel(Protocol[M]):
    """A way to deliver."""

    async def send(self, message: M) -> int | None:
        """Deliver, and tell the status of the answer where there is one. Raises Undelivered or Undeliverable."""
        ...
