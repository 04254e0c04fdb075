"""`summit user create`: the first administrator of a tenant, who then adds the others over HTTP."""

from typing import Annotated, Final

import psycopg
import typer
from argon2 import PasswordHasher
from email_validator import EmailNotValidError, validate_email

from domain.identity import Role
from runtime.settings import PostgresSettings

SHORTEST: Final = 8
ADD: Final = """
insert into users (tenant_id, email, name, role, password_hash)
select id, %(email)s, %(name)s, %(role)s, %(hash)s from tenants where slug = %(tenant)s returning id
"""

users = typer.Typer(help="People of a tenant.", no_args_is_help=True)


@users.callback()
def _users() -> None:
    # With a callback a lone sub-command keeps its name.
    return None


@users.command()
def create(
    tenant: Annotated[str, typer.Argument(help="The tenant's slug.")],
    email: Annotated[str, typer.Argument(help="The address to sign in with.")],
    name: Annotated[str, typer.Argument(help="The name that people read.")],
    role: Annotated[Role, typer.Option(help="What the user may do.")] = Role.ADMIN,
    password: Annotated[
        str,
        typer.Option(
            prompt=True, confirmation_prompt=True, hide_input=True, envvar="SUMMIT_USER_PASSWORD", show_envvar=True
        ),
    ] = "",
) -> None:
    """Create a user and print the id. Reads POSTGRES_* (the owner's); asks for the password unless the environment has it."""
    if len(password) < SHORTEST:
        raise typer.BadParameter(f"must have at least {SHORTEST} characters", param_hint="password")
    try:
        address = validate_email(email, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise typer.BadParameter(str(error), param_hint="EMAIL") from error
    values = {
        "tenant": tenant,
        "email": address,
        "name": name,
        "role": role.value,
        "hash": PasswordHasher().hash(password),
    }
    try:
        with psycopg.connect(PostgresSettings().conninfo()) as connection:
            row = connection.execute(ADD, values).fetchone()
    except psycopg.errors.UniqueViolation:
        typer.echo("A user with this address exists in the tenant.", err=True)
        raise typer.Exit(1) from None
    if row is None:
        typer.echo("There is no such tenant; `summit tenant create` makes one.", err=True)
        raise typer.Exit(1)
    typer.echo(row[0])


def register(app: typer.Typer) -> None:
    """Add the sub-command."""
    app.add_typer(users, name="user")
