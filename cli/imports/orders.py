"""A ticket of another desk as commands: its creation, and what was said on it beyond what one command can carry."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from cli.imports.model import OldTicket, Options, Said
from cli.imports.records import Directory
from domain.identity import SYSTEM, Actor
from domain.ids import command_id, derived_id, fingerprint
from domain.protocol import Message
from domain.tickets.commands import ImportComments, ImportedComment, ImportTicket
from domain.tickets.importing import gist
from domain.tickets.model import MOST_LINKS, Link, LinkKind

MOST_BYTES: Final = 300_000
"""Of comments in one command: with the description and the ticket's state it stays well below what Temporal takes (2 MiB)."""
MOST_COMMENTS: Final = 500
"""In one command: each is a row and a search document, and a decision has seconds."""


@dataclass(frozen=True)
class Order:
    """The commands for one ticket, in their order."""

    process_id: UUID
    external_ref: str
    creation: Message[ImportTicket]
    more: tuple[Message[ImportComments], ...] = ()


@dataclass(frozen=True)
class Orders:
    """Writes the orders of one import. `linkable` are the keys of tickets that are there, or will be."""

    tenant_id: UUID
    options: Options
    directory: Directory
    linkable: frozenset[str] = frozenset()

    def of(self, ticket: OldTicket) -> Order:
        """The commands that make the ticket. Ids are made of its key, so that a second order finds what the first has made."""
        reference = self.reference(ticket.key)
        comments = sorted((self._comment(reference, each) for each in ticket.comments), key=lambda each: each.at)
        first, *rest = list(chunks(comments)) or [()]
        creation = self._creation(reference, ticket, comments, first, incomplete=bool(rest))
        more = [
            ImportComments(comments=each, **({"last": True} if number == len(rest) else {}))
            for number, each in enumerate(rest, 1)
        ]
        return Order(
            process_id=self.process_id(ticket.key),
            external_ref=reference,
            creation=self._message(reference, creation, 0),
            more=tuple(self._message(reference, each, number) for number, each in enumerate(more, 1)),
        )

    def reference(self, key: str) -> str:
        """Under what a ticket is known here."""
        return f"{self.options.prefix}:{key}"

    def process_id(self, key: str) -> UUID:
        """The ticket's id."""
        return derived_id(self.tenant_id, "import", self.reference(key))

    def _creation(
        self,
        reference: str,
        ticket: OldTicket,
        comments: Sequence[ImportedComment],
        first: Sequence[ImportedComment],
        *,
        incomplete: bool,
    ) -> ImportTicket:
        told, last = gist(comments), max((each.at for each in comments), default=ticket.created_at)
        links = [self.process_id(key) for key in ticket.links if key in self.linkable and key != ticket.key]
        own = ("customer_email", "subject", "description", "status", "priority", "severity", "channel", "category")
        given: dict[str, Any] = {
            "external_ref": reference,
            **{name: getattr(ticket, name) for name in (*own, "language", "fields", "cc")},
            **{name: getattr(ticket, name) for name in ("created_at", "resolved_at", "closed_at")},
            "tags": tuple(ticket.tags),
            "sla_tier": self.options.tier,
            "assignee_id": self.directory.people.get(ticket.assignee) if ticket.assignee else None,
            "team_id": self.directory.teams.get(ticket.team) if ticket.team else None,
            "links": tuple(Link(type=LinkKind.TICKET, target_id=each) for each in dict.fromkeys(links))[:MOST_LINKS],
            "updated_at": max(ticket.updated_at or ticket.created_at, last),
            "first_response_at": ticket.first_response_at or later(told.first_response_at, ticket),
            "heard_at": told.heard_at,
            "unanswered": told.unanswered,
            "comments": tuple(first),
            "incomplete": incomplete,
        }
        return ImportTicket(**{name: value for name, value in given.items() if value not in (None, (), {}, False)})

    def _comment(self, reference: str, said: Said) -> ImportedComment:
        return ImportedComment(
            comment_id=derived_id(self.tenant_id, "import", reference, "comment", said.key),
            body=said.body,
            internal=said.internal,
            author_name=said.author_name,
            author_role=said.author_role,
            author_id=self.directory.people.get(said.author) if said.author else None,
            at=said.at,
        )

    def _message(self, reference: str, command: Any, number: int) -> Message[Any]:
        return Message[Any](
            tenant_id=self.tenant_id,
            command=command,
            command_id=command_id(self.tenant_id, "import", "summit import", reference, str(number)),
            # The reference and nothing else: a ticket that has changed on the other desk since is here already.
            fingerprint=fingerprint(f"{reference}/{number}"),
            actor=self.actor,
        )

    @property
    def actor(self) -> Actor:
        """Who does it, as the history shows."""
        return SYSTEM.model_copy(update={"name": f"Import ({self.options.prefix})"})


def later(at: Any, ticket: OldTicket) -> Any:
    """An instant taken from a comment, which can be a moment older than its ticket."""
    return at and max(at, ticket.created_at)


def chunks(comments: Sequence[ImportedComment]) -> Iterator[tuple[ImportedComment, ...]]:
    """The comments in portions that a command can carry."""
    portion: list[ImportedComment] = []
    size = 0
    for each in comments:
        weight = len(each.body.encode()) + len(each.author_name.encode()) + 300
        if portion and (size + weight > MOST_BYTES or len(portion) == MOST_COMMENTS):
            yield tuple(portion)
            portion, size = [], 0
        portion.append(each)
        size += weight
    if portion:
        yield tuple(portion)
