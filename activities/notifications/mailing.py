"""Makes a mail of a row of the outbox: from which mailbox, in which conversation, worded how, with which files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from activities.notifications.facts import About, Sites, survey_links
from activities.notifications.phrasing import Wordings, values_of
from activities.notifications.settling import LEASE_SECONDS, Settled
from db.outbox import Pool, once, renew
from db.suppressions import REFUSED
from domain.mail.addresses import bounce_address, note_address, reply_address, staff_address
from domain.mail.threads import references, root, topic
from domain.mail.writable import made_up
from domain.notifications.wording import Block, Choices
from domain.notifications.wordings import wording_of
from domain.ratings import survey_token
from notify.channel import Channel, File, Mail, NoSuchAddress, TooLargeForServer, Undeliverable, Undelivered
from notify.letters import phrased, subject_line
from notify.templates import Rendered, render
from runtime.blobs import Blobs, Missing

MOST_BYTES: Final = 10 * 1024 * 1024
"""So much goes with a mail; in base64 it is a third more, and many servers take no more than 20 MB."""

PATIENCE: Final = 5
"""From this attempt on, some ten minutes after the first, what was written goes without a file that cannot be read."""

ACKNOWLEDGES: Final = "ticket_received"
SURVEYED: Final = "ticket_resolved"

Item = Mapping[str, Any]


NOTES: Final = frozenset({"mentioned"})
"""Notices of what is said among the staff: an answer to one is a note too."""


@dataclass(frozen=True)
class Mailing:
    """What it takes to make mails and send them."""

    pool: Pool
    carrier: Channel[Mail]
    wordings: Wordings
    blobs: Blobs
    sites: Sites
    mail_from: str

    async def send(self, item: Item, to: str, about: About, facts: Mapping[str, Any]) -> int | None:
        """Write and send. Raises Undelivered, Undeliverable for an address that gets no mail, and Settled when others have the row."""
        found = item["facts"]
        if made_up(to):
            raise Undeliverable("The address is made up and has no mailbox (RFC 2606).")
        if found["suppressed"] is not None:
            raise Undeliverable(f"suppressed: {found['suppressed']}")
        inside, beside = divided(found["files"] or ())
        files: list[File] = []
        for each in inside:
            if file := await self._read(item, each):
                files.append(file)
            else:
                beside.append(each)
        try:
            return await self._send(item, to, about, facts, tuple(files), beside)
        except TooLargeForServer:
            if not files:
                raise
            # What was written gets through without its files; the mail says where they are. It may take as long as the one before.
            if not await renew(self.pool, item["tenant_id"], item["id"], LEASE_SECONDS):
                raise Settled from None
            return await self._send(item, to, about, facts, (), [*inside, *beside])

    async def _send(
        self,
        item: Item,
        to: str,
        about: About,
        facts: Mapping[str, Any],
        files: tuple[File, ...],
        beside: Sequence[Mapping[str, Any]],
    ) -> int | None:
        written, theirs = await self._written(item, about, facts, beside)
        mail = self.addressed(item, to, about, written, theirs, files)
        try:
            return await self.carrier.send(mail)
        except NoSuchAddress as error:
            refused = {"address": to.lower(), "notice": item["id"], "reason": str(error), "status": str(error.status)}
            await once(self.pool, item["tenant_id"], REFUSED, refused)
            raise

    async def _written(
        self, item: Item, about: About, facts: Mapping[str, Any], beside: Sequence[Mapping[str, Any]]
    ) -> tuple[Rendered, str | None]:
        """The mail's text, and the subject of the conversation where it joins one by mail."""
        name = wording_of(item["template"], item["payload"])
        if name is None:
            return render(item["template"], facts), None
        found = item["facts"]
        values = values_of(found, item["payload"], link=facts["link"], comments_call=facts["comments_call"])
        theirs = None if found["answers"] is None else found["topic"] or values.get("subject", "")
        wordings = await self.wordings.of(item["tenant_id"], found["wordings"])
        subject = subject_line(wordings[name], values, theirs)
        where = facts["link"] or about.files_call
        return phrased(name, wordings, values, subject, unattached(beside, where), self._survey(name, item)), subject

    def _survey(self, name: str, item: Item) -> Choices:
        """The links of the mail that asks how we did; where time alone has resolved the ticket, there is nothing to ask."""
        ticket, resolution = item["facts"]["ticket_id"], item["payload"].get("resolution")
        if name != SURVEYED or resolution is None:
            return ()
        token = survey_token(bytes(item["facts"]["mail_key"]), item["tenant_id"], ticket, resolution)
        return tuple(survey_links(self.sites, token))

    def addressed(
        self, item: Item, to: str, about: About, written: Rendered, conversation: str | None, files: tuple[File, ...]
    ) -> Mail:
        """The mail: who sends it, where answers and bounces go, what it answers."""
        found = item["facts"]
        mailbox, ticket = found["mailbox"], about.ticket_id
        # The installation's own domain, which no change of a mailbox changes: a mail has the same id at every attempt.
        domain = self.mail_from.rpartition("@")[2]
        key = bytes(found["mail_key"])
        return Mail(
            id=str(item["id"]),
            domain=domain,
            to=to,
            subject=written.subject,
            text=written.text,
            html=written.html,
            sender=mailbox or self.mail_from,
            sender_name=found["mailbox_name"] or about.tenant,
            reply_to=answers_to(mailbox, about, key, note=item["template"] in NOTES) if mailbox else None,
            envelope=bounce_address(mailbox, item["id"], key) if mailbox else None,
            references=references(f"{root(ticket)}@{domain}", found["known"] or (), found["answers"]) if ticket else (),
            topic=conversation and topic(conversation),
            automatic=automatic(item),
            origin=found["slug"],
            files=files,
        )

    async def _read(self, item: Item, file: Mapping[str, Any]) -> File | None:
        """A file with its content; nothing for one that is not to be had. Raises Undelivered while it may still turn up."""
        try:
            content = b"".join([chunk async for chunk in self.blobs.open(item["tenant_id"], file["sha256"])])
        except (Missing, OSError) as error:
            if item["attempts"] < PATIENCE:
                raise Undelivered(f"A file of the comment cannot be read ({type(error).__name__}).") from error
            return None
        return File(file["name"], file["type"], content)


def answers_to(mailbox: str, about: About, key: bytes, *, note: bool) -> str | None:
    """Where an answer goes. What one of the staff gets is signed for them: with it they answer as the staff, and nobody else can."""
    if about.ticket_id is None:
        return None
    if about.person is not None and about.person.staff:
        signed = note_address if note else staff_address
        return signed(mailbox, about.ticket_id, about.person.id, key)
    return reply_address(mailbox, about.ticket_id, key)


def automatic(item: Item) -> Literal["auto-generated", "auto-replied"] | None:
    """Whether a machine wrote it: an answer of one of the staff is theirs, whatever carries it."""
    if item["template"] == "ticket_reply" and item["facts"]["by_hand"]:
        return None
    answers = item["template"] == ACKNOWLEDGES and item["facts"]["answers"] is not None
    return "auto-replied" if answers else "auto-generated"


def divided(files: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Which files go with the mail, in their order, and which are too much."""
    inside: list[Mapping[str, Any]] = []
    beside: list[Mapping[str, Any]] = []
    left = MOST_BYTES
    for file in files:
        fits = file["size"] <= left
        left -= file["size"] if fits else 0
        (inside if fits else beside).append(file)
    return inside, beside


def unattached(files: Sequence[Mapping[str, Any]], where: str | None) -> list[Block]:
    """What says where the files are that did not go with the mail."""
    if not files:
        return []
    names = "\n".join(f"• {file['name']} ({sized(file['size'])})" for file in files)
    place = f"\nYou find them at {where}" if where else ""
    return [Block("say", f"These files could not come with this mail:\n{names}{place}")]


def sized(size: int) -> str:
    """A size as people read it."""
    return f"{size / 1024 / 1024:.1f} MB" if size >= 1024 * 1024 else f"{max(size // 1024, 1)} KB"
