"""Schema migrations: Alembic's environment and its revisions."""
