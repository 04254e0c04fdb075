"""Every module of tables, imported, so that METADATA is whole; a new area adds itself here."""

from db.tables import customers, identity, processes, tickets
from db.tables.metadata import METADATA

__all__ = ["METADATA", "customers", "identity", "processes", "tickets"]
