"""Every module of tables, imported, so that METADATA is whole; a new area adds itself here."""

from db.tables import (
    api_keys,
    attachments,
    customers,
    desk,
    events,
    identity,
    inbound,
    jobs,
    mail,
    mail_out,
    measures,
    processes,
    ratings,
    routing,
    sla,
    tickets,
    webhooks,
)
from db.tables.metadata import METADATA

__all__ = [
    "METADATA",
    "api_keys",
    "attachments",
    "customers",
    "desk",
    "events",
    "identity",
    "inbound",
    "jobs",
    "mail",
    "mail_out",
    "measures",
    "processes",
    "ratings",
    "routing",
    "sla",
    "tickets",
    "webhooks",
]
