"""Every module of tables, imported, so that METADATA is whole; a new area adds itself here."""

from db.tables import customers, events, identity, jobs, measures, processes, sla, tickets, webhooks
from db.tables.metadata import METADATA

__all__ = [
    "METADATA",
    "customers",
    "events",
    "identity",
    "jobs",
    "measures",
    "processes",
    "sla",
    "tickets",
    "webhooks",
]
