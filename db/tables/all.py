"""Every module of tables, imported, so that METADATA is whole; a new area adds itself here."""

from db.tables import (
    attachments,
    customers,
    events,
    identity,
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
    "attachments",
    "customers",
    "events",
    "identity",
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
