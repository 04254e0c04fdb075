"""What every channel of delivery has in common: a message, and the ways in which sending one fails."""

from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

M = TypeVar("M", contravariant=True)


class Undelivered(Exception):
    """The message did not get through now; another attempt may. The text is for the log: no addresses, no bodies."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class Undeliverable(Undelivered):
    """The message will never get through as it is, so it is not tried again."""


class NoSuchAddress(Undeliverable):
    """The server says, for good, that nobody can be reached at the address."""


class TooLargeForServer(Undelivered):
    """The server takes no mail of this size."""


@dataclass(frozen=True)
class File:
    """A file that goes with a mail."""

    name: str
    type: str
    content: bytes


@dataclass(frozen=True)
class Mail:
    """One mail to one person. `id` and `domain` make the Message-ID, at every attempt the same.

    `references` are the Message-IDs of the conversation, without brackets, the one that is answered last; `topic` is its subject
    without what programs put before it. `envelope` is where bounces go. `automatic` is nothing for what a person has written.
    `origin` names the tenant, so that our own mail is known when it comes back.
    """

    id: str
    to: str
    subject: str
    text: str
    html: str
    sender: str
    sender_name: str
    domain: str
    references: tuple[str, ...] = ()
    topic: str | None = None
    reply_to: str | None = None
    envelope: str | None = None
    automatic: Literal["auto-generated", "auto-replied"] | None = "auto-generated"
    origin: str = ""
    files: tuple[File, ...] = ()


@dataclass(frozen=True)
class Post:
    """One HTTP call. `id` is the same at each attempt, so that the receiver can tell a repeat; each of `secrets` signs it."""

    id: str
    url: str
    body: str
    secrets: tuple[str, ...] = ()


class Channel(Protocol[M]):
    """A way to deliver."""

    async def send(self, message: M) -> int | None:
        """Deliver, and tell the status of the answer where there is one. Raises Undelivered or Undeliverable."""
        ...
