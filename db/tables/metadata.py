"""The metadata that all tables hang on, and the columns that most of them share."""

from typing import Any

from sqlalchemy import Column, DateTime, ForeignKey, Integer, MetaData, Uuid, text

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

INSTANT = DateTime(timezone=True)


def id_column() -> Column[Any]:
    """The primary key. Ids are made by the caller: version 7, or version 8 derived from an Idempotency-Key."""
    return Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()"))


def tenant_column() -> Column[Any]:
    """The tenant that owns the row; row-level security compares it with the transaction's tenant."""
    return Column(
        "tenant_id",
        Uuid,
        ForeignKey("tenants.id"),
        nullable=False,
        server_default=text("nullif(current_setting('summit.tenant', true), '')::uuid"),
    )


def record_columns() -> list[Column[Any]]:
    """What every record carries beside its own fields: instants and the version that ETag and If-Match speak of."""
    return [
        Column("created_at", INSTANT, nullable=False, server_default=text("now()")),
        Column("updated_at", INSTANT, nullable=False, server_default=text("now()")),
        Column("version", Integer, nullable=False, server_default=text("1")),
    ]
