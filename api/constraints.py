"""The database constraints that carry rules, each with the refusal that its violation means."""

from collections.abc import Callable, Mapping
from typing import Final

from domain.process import Conflict, Invalid, Refusal
from domain.ratings import AlreadyRated


class EmailTaken(Conflict):
    """Somebody in this tenant has the address already."""

    def __init__(self) -> None:
        super().__init__("A user with this address exists.", errors=[_error("/email", "taken", "is taken")])


class DomainTaken(Conflict):
    """The domain belongs to another account of this tenant."""

    def __init__(self) -> None:
        super().__init__(
            "A domain belongs to at most one account.",
            errors=[_error("/domains", "taken", "belongs to another account")],
        )


class NameTaken(Conflict):
    """Another one in force has the name."""

    def __init__(self) -> None:
        super().__init__("Another one in force has this name.", errors=[_error("/name", "taken", "is taken")])


class KeyTaken(Conflict):
    """Another field has the key; one that is inactive can be made active again."""

    def __init__(self) -> None:
        super().__init__("Another field has this key.", errors=[_error("/key", "taken", "is taken")])


class AddressTaken(Conflict):
    """An active mailbox, of this tenant or another, has the address."""

    def __init__(self) -> None:
        super().__init__("An address belongs to one active mailbox.", errors=[_error("/address", "taken", "is taken")])


class MailboxInUse(Conflict):
    """Mail has come to the mailbox, or tickets belong to it."""

    def __init__(self) -> None:
        super().__init__("Mail has come to this mailbox. Make it inactive instead.")


class UnknownReference(Invalid):
    """Fields name what does not exist, or not for this caller."""

    def __init__(self, *pointers: str) -> None:
        errors = [_error(pointer, "unknown", "does not exist") for pointer in pointers]
        super().__init__("A field names something that does not exist.", errors)


class AccountOfStaff(Invalid):
    """Only a customer belongs to an account."""

    def __init__(self) -> None:
        super().__init__(
            "Only a CUSTOMER belongs to an account.",
            [_error("/accountId", "role", "must be null unless role is CUSTOMER")],
        )


class ForbiddenTarget(Invalid):
    """The URL leads into a network that we do not call (SUMMIT_ALLOW_TARGETS)."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__("The URL cannot be called from here.", [_error(pointer, "target", reason)])


def _error(pointer: str, code: str, detail: str) -> dict[str, str]:
    return {"pointer": pointer, "code": code, "detail": detail}


def _unknown(pointer: str) -> Callable[[], Refusal]:
    return lambda: UnknownReference(pointer)


CONSTRAINTS: Final[Mapping[str, Callable[[], Refusal]]] = {
    "uq_users_tenant_id_lower_email": EmailTaken,
    "pk_account_domains": DomainTaken,
    "uq_sla_calendars_name": NameTaken,
    "uq_routing_rules_name": NameTaken,
    "uq_ticket_ratings_ticket_id_resolution": AlreadyRated,
    "uq_ticket_templates_name": NameTaken,
    "uq_ticket_fields_key": KeyTaken,
    "uq_mailboxes_address": AddressTaken,
    "fk_support_tickets_tenant_id_mailbox_id": MailboxInUse,
    "fk_inbound_mails_tenant_id_mailbox_id": MailboxInUse,
    "ck_users_account": AccountOfStaff,
    "fk_users_tenant_id_account_id": _unknown("/accountId"),
    "fk_teams_tenant_id_lead_id": _unknown("/leadId"),
    "fk_team_members_tenant_id_user_id": _unknown("/memberIds"),
    "fk_team_members_tenant_id_team_id": _unknown("/teamIds"),
    "fk_customer_accounts_tenant_id_csm_id": _unknown("/csmId"),
    "fk_customer_accounts_tenant_id_tam_id": _unknown("/tamId"),
}
