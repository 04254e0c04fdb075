"""Alembic's environment: one database, named by the caller in `config.attributes["url"]`, one migrator at a time."""

import time

from alembic import context
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from db.tables.all import METADATA

LOCK = 0x53554D4D4954
"""Advisory lock under which migrations run, so that two that start together do not collide."""


def wait_for_turn(connection: Connection) -> None:
    """Take the lock for as long as the connection lasts, so that it is free when a migrator has been killed.

    Who waited inside a statement would hold a snapshot, and an index that is built concurrently waits until all those are gone.
    """
    while not connection.execute(text("select pg_try_advisory_lock(:lock)"), {"lock": LOCK}).scalar_one():
        connection.commit()
        time.sleep(0.2)
    connection.commit()


def migrate() -> None:
    """Run the migrations online, each in a transaction of its own: its locks last no longer, and what is done stays done."""
    engine = create_engine(context.config.attributes["url"], poolclass=NullPool)
    with engine.connect() as connection:
        wait_for_turn(connection)
        context.configure(
            connection=connection, target_metadata=METADATA, compare_type=True, transaction_per_migration=True
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


migrate()
