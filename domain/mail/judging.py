"""What becomes of a mail: whose word it is, which ticket it belongs to, and what nobody should take for somebody's word."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final
from uuid import UUID

from domain.identity import Actor, Role
from domain.mail.authentication import Verdict, verdict
from domain.mail.facts import Candidate, Facts, User
from domain.mail.message import InboundMail
from domain.mail.people import Person
from domain.mail.plans import Append, CameBack, Open, Park, Reason, Same, Suppression
from domain.tickets.model import Status

ORDERS: Final[Mapping[str, Status | None]] = {
    "#internal": None,
    "#note": None,
    "#public": None,
    "#resolve": Status.RESOLVED,
    "#resolved": Status.RESOLVED,
    "#pending": Status.PENDING_CUSTOMER,
}
"""What one of the staff may write above an answer, a line each."""

NOTES: Final = frozenset({"#internal", "#note"})
PUBLIC: Final = "#public"


class Tie(StrEnum):
    """What ties a mail to a ticket.

    STAFF is an address that was signed for the sender, one of the staff, and proves who they are. SHARED is the one that everybody in
    the conversation has: it proves nobody. The others anybody can write.
    """

    STAFF = "STAFF"
    SHARED = "SHARED"
    HEADER = "HEADER"
    SUBJECT = "SUBJECT"


def judge(mail: InboundMail, facts: Facts, *, authority: str | None, accepted: bool) -> Park | Open | Append | Same:
    """What to do with a mail. `authority` is the server whose word on senders counts; `accepted` says that a lead vouches for it."""
    plan = judged(mail, facts, authority=authority, accepted=accepted)
    if isinstance(plan, Append) and plan.ticket_id in facts.said:
        # It was written to several mailboxes, and has been said there already.
        return Same(ticket_id=plan.ticket_id, comment_id=facts.said[plan.ticket_id])
    return plan


def judged(mail: InboundMail, facts: Facts, *, authority: str | None, accepted: bool) -> Park | Open | Append:
    """The same, but for what has been said already."""
    sender = mail.sender
    if not accepted:
        for parked in (looping(mail, facts), bounced(mail, facts)):
            if parked is not None:
                return parked
    if sender is None:
        return Park(reason=Reason.NO_SENDER, detail="From names nobody who could be answered.")
    ticket, tie = tied(facts)
    if mail.machine is not None and not accepted:
        return of_a_machine(mail, sender, facts, ticket, tie)
    known = verdict(mail.authentication, authority, sender.address.rpartition("@")[2])
    if facts.user is not None and facts.user.staff:
        return of_the_staff(mail, sender, facts, ticket, facts.user, trusted=accepted or trusted(known, tie))
    return of_a_customer(mail, sender, facts, ticket, tie, doubted=known is Verdict.FAILED and not accepted)


def looping(mail: InboundMail, facts: Facts) -> Park | None:
    """Our own mail, come back."""
    back = facts.own or mail.origin == facts.slug
    ours = mail.sender is not None and mail.sender.address in facts.addresses
    if not (back or ours):
        return None
    detail = "It is one of our own mails." if back else "From is one of our own mailboxes."
    return Park(reason=Reason.LOOP, detail=detail)


def bounced(mail: InboundMail, facts: Facts) -> Park | None:
    """A report that one of our mails did not arrive.

    What it says of an address counts only if it came to the address that was signed for that mail: the ids of our mails are known to
    everybody who gets or quotes one, and somebody could end what another is told.
    """
    notice = facts.notice
    if mail.bounce is None and (notice is None or mail.machine is not None):
        return None
    hard = next((each for each in (mail.bounce.deliveries if mail.bounce else ()) if each.hard), None)
    told = next(iter(mail.bounce.deliveries), None) if mail.bounce else None
    failed = next((each for each in (mail.bounce.deliveries if mail.bounce else ()) if each.failed), None)
    suppress = came_back = None
    if notice is not None and notice.signed:
        if notice.address is not None and hard is not None:
            suppress = Suppression(address=notice.address, status=hard.status)
        if failed is not None:
            came_back = CameBack(notice=notice.id, status=(hard or failed).status)
    detail = f"{told.recipient}: {told.action} {told.status}".strip() if told else "A server reports on a mail of ours."
    ticket_id = notice.ticket_id if notice else None
    return Park(reason=Reason.BOUNCE, detail=detail, ticket_id=ticket_id, suppress=suppress, came_back=came_back)


def tied(facts: Facts) -> tuple[Candidate | None, Tie | None]:
    """The ticket to which a mail says that it belongs, and by what."""
    answered = facts.ticket(facts.token)
    if answered is not None and facts.proven:
        return answered, Tie.STAFF
    if answered is None and facts.notice is not None and facts.notice.signed:
        # The address for bounces is signed too; what comes there and is no bounce is a notice of absence.
        answered = facts.ticket(facts.notice.ticket_id)
    if answered is not None:
        return answered, Tie.SHARED
    referred = next(filter(None, map(facts.ticket, facts.referred)), None)
    if referred is not None:
        return referred, Tie.HEADER
    numbered = facts.ticket(facts.numbered)
    return numbered, Tie.SUBJECT if numbered is not None else None


def trusted(known: Verdict, tie: Tie | None) -> bool:
    """Whether a mail that says it is from the staff is: our server says so, or it knows their secret and our server does not deny it."""
    return known is Verdict.PASSED or (tie is Tie.STAFF and known is not Verdict.FAILED)


def of_a_machine(
    mail: InboundMail, sender: Person, facts: Facts, ticket: Candidate | None, tie: Tie | None
) -> Park | Append:
    """A customer's notice of absence belongs to its ticket, where it answers and asks nothing; whatever else machines send waits.

    That one of the staff is away is no customer's business, and no machine is copied in.
    """
    staff = facts.user is not None and facts.user.staff
    if ticket is not None and not staff:
        known = may_read(sender.address, facts, ticket) if tie is Tie.SHARED else takes_part(sender.address, ticket)
        if known:
            return Append(actor=customer(sender, facts, ticket), ticket_id=ticket.id, automatic=True)
    return Park(reason=Reason.AUTOMATIC, detail=str(mail.machine), ticket_id=ticket.id if ticket else None)


def of_the_staff(
    mail: InboundMail,
    sender: Person,
    facts: Facts,
    ticket: Candidate | None,
    user: User,
    *,
    trusted: bool,
) -> Park | Open | Append:
    """One of the staff answers, hands a customer's mail on, or asks for themselves."""
    if not trusted:
        detail = "From is one of the staff, and nothing proves that they wrote it."
        return Park(reason=Reason.UNVERIFIED, detail=detail, ticket_id=ticket.id if ticket else None)
    own = Actor(id=user.id, role=Role.CUSTOMER, name=user.name, email=sender.address)
    agent = Actor(id=user.id, role=user.role, name=user.name, email=sender.address)
    if ticket is not None:
        if ticket.customer_email.lower() == sender.address:
            return Append(actor=own, ticket_id=ticket.id)
        orders = read_orders(mail.text)
        return Append(
            actor=agent,
            ticket_id=ticket.id,
            internal=bool(NOTES.intersection(orders)) or (facts.noted and PUBLIC not in orders),
            status=next((ORDERS[each] for each in orders if ORDERS[each]), None),
            skip_lines=len(orders),
        )
    first = mail.forwarded
    if first is not None and first.address not in facts.addresses and first.address != sender.address:
        return Open(actor=agent, customer_email=first.address, linked=facts.twins)
    return Open(actor=own, customer_email=sender.address, linked=facts.twins)


def of_a_customer(
    mail: InboundMail,
    sender: Person,
    facts: Facts,
    ticket: Candidate | None,
    tie: Tie | None,
    *,
    doubted: bool,
) -> Open | Append:
    """Somebody outside answers, if they may read the ticket or were given its address; else they ask something new.

    A stranger who only refers to a ticket gets one of their own that is linked to it: references leak with every forwarded
    mail, and an answer would show them the rest. A number in a subject proves nothing, so only who takes part is believed.
    """
    linked = facts.twins
    automatic = mail.machine is not None or mail.bounce is not None
    if ticket is not None:
        reads = may_read(sender.address, facts, ticket)
        if tie is Tie.SHARED and (reads or not automatic):
            copy_in = None if reads else sender.address
            return Append(actor=customer(sender, facts, ticket), ticket_id=ticket.id, copy_in=copy_in)
        believed = takes_part(sender.address, ticket) if tie is Tie.SUBJECT else reads
        if believed and not doubted:
            return Append(actor=customer(sender, facts, ticket), ticket_id=ticket.id)
        if tie is not Tie.SUBJECT:
            linked = tuple(dict.fromkeys((*linked, ticket.id)))
    return Open(actor=customer(sender, facts, None), customer_email=sender.address, linked=linked, automatic=automatic)


def customer(sender: Person, facts: Facts, ticket: Candidate | None) -> Actor:
    """Somebody outside; who has no login writes under their address. The account of their domain lets them answer on its tickets."""
    user = facts.user if facts.user is not None and not facts.user.staff else None
    account = user.account_id if user else facts.account_id
    name = (user.name if user else sender.name) or sender.address
    return Actor(id=user.id if user else None, role=Role.CUSTOMER, name=name, email=sender.address, account_id=account)


def takes_part(address: str, ticket: Candidate) -> bool:
    """Whether somebody is in the conversation."""
    return address == ticket.customer_email.lower() or address in ticket.cc


def may_read(address: str, facts: Facts, ticket: Candidate) -> bool:
    """Whether somebody is in the conversation, or of the account that it is with."""
    account: UUID | None = facts.user.account_id if facts.user else facts.account_id
    return takes_part(address, ticket) or (account is not None and account == ticket.account_id)


def read_orders(text: str) -> list[str]:
    """The orders above an answer, one a line."""
    orders: list[str] = []
    for line in text.split("\n"):
        if line.strip().lower() not in ORDERS:
            break
        orders.append(line.strip().lower())
    return orders


def follow_up(plan: Append) -> Open | Park:
    """What becomes of an answer on a ticket that is over: the customer's opens another; the staff's waits for a decision."""
    if plan.actor.staff:
        detail = "The ticket is closed; open another one for what is to be said."
        return Park(reason=Reason.REFUSED, detail=detail, ticket_id=plan.ticket_id)
    if plan.automatic:
        return Park(reason=Reason.AUTOMATIC, detail="The ticket is over.", ticket_id=plan.ticket_id)
    return Open(actor=plan.actor, customer_email=plan.actor.email, follow_up_of=plan.ticket_id)
