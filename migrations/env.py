"""Alembic's environment: one database, named by the caller in `config.attributes["url"]`, one migrator at a time."""

from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from db.tables.all import METADATA

LOCK = 0x53554D4D4954
"""Advisory lock under which migrations run, so that two that start together do not collide."""


def migrate() -> None:
    """Run the migrations online, all in one transaction."""
    engine = create_engine(context.config.attributes["url"], poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("select pg_advisory_lock(:lock)"), {"lock": LOCK})
        connection.commit()
        context.configure(connection=connection, target_metadata=METADATA, compare_type=True)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


migrate()
