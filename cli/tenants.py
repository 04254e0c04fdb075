"""`summit tenant create`: a tenant is made by the installation's owner, never over HTTP."""

import re
from typing import Annotated, Final

import psycopg
import typer

from domain.customers import domain_name
from runtime.settings import PostgresSettings

SLUG: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

ADD: Final = "insert into tenants (slug, name, is_default) values (%s, %s, %s) returning id"
NO_DEFAULT: Final = "update tenants set is_default = false where is_default"
ADD_DOMAIN: Final = "insert into tenant_domains (domain, tenant_id) values (%s, %s)"

tenants = typer.Typer(help="Tenants of this installation.", no_args_is_help=True)


@tenants.callback()
def _tenants() -> None:
    # With a callback a lone sub-command keeps its name.
    return None


@tenants.command()
def create(
    slug: Annotated[str, typer.Argument(help="Short name in URLs: lower-case letters, digits, hyphens.")],
    name: Annotated[str, typer.Argument(help="The name that people read.")],
    domain: Annotated[
        list[str] | None, typer.Option(help="A host name that means this tenant; may be repeated.")
    ] = None,
    default: Annotated[bool, typer.Option("--default", help="Public calls that name no tenant mean this one.")] = False,
) -> None:
    """Create a tenant and print its id. Reads POSTGRES_* (the owner's)."""
    if not SLUG.fullmatch(slug):
        raise typer.BadParameter("must be lower-case letters, digits and hyphens", param_hint="SLUG")
    try:
        domains = [domain_name(each) for each in domain or ()]
        with psycopg.connect(PostgresSettings().conninfo()) as connection:
            if default:
                connection.execute(NO_DEFAULT)
            [(tenant,)] = connection.execute(ADD, (slug, name, default)).fetchall()
            for each in domains:
                connection.execute(ADD_DOMAIN, (each, tenant))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--domain") from error
    except psycopg.errors.UniqueViolation:
        typer.echo("The slug or a domain is taken.", err=True)
        raise typer.Exit(1) from None
    typer.echo(tenant)


def register(app: typer.Typer) -> None:
    """Add the sub-command."""
    app.add_typer(tenants, name="tenant")
