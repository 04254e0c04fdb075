"""`summit migrate`: brings the database to this release's tables and gives the application's role its password."""

import os
from pathlib import Path

import psycopg
import typer
from alembic import command
from alembic.config import Config
from psycopg import sql

from runtime.settings import APP_ROLE, PostgresSettings

MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"


def alembic_config(owner: PostgresSettings) -> Config:
    """Alembic without an ini file: `migrations/env.py` reads the owner's URL from the attributes."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["url"] = owner.sqlalchemy_url()
    return config


def migrate_database(owner: PostgresSettings, app_password: str | None) -> None:
    """Upgrade to the newest revision as the owner; with `app_password` the application's role can log in with it."""
    command.upgrade(alembic_config(owner), "head")
    role = sql.Identifier(APP_ROLE)
    with psycopg.connect(owner.conninfo(), autocommit=True) as connection:
        # So that `summit doctor` can compare revisions with the rights that API and worker have.
        connection.execute(sql.SQL("grant select on alembic_version to {}").format(role))
        if app_password:
            connection.execute(sql.SQL("alter role {} login password {}").format(role, app_password))


def migrate() -> None:
    """Create or upgrade the tables. Reads POSTGRES_* (the owner's) and SUMMIT_APP_PASSWORD."""
    owner = PostgresSettings()
    try:
        migrate_database(owner, os.environ.get("SUMMIT_APP_PASSWORD"))
    except psycopg.OperationalError as error:
        typer.echo(f"Postgres at {owner.host}:{owner.port} refuses: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"Database {owner.db} is up to date.")


def register(app: typer.Typer) -> None:
    """Add the sub-command."""
    app.command()(migrate)
