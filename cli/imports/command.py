"""`summit import`: takes over tickets from another desk's export, and can be stopped and started again at any moment."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer
import uvloop

from cli.imports.csv_desk import CsvDesk
from cli.imports.model import Options, Source
from cli.imports.running import Import
from cli.imports.zendesk import Zendesk
from domain.customers import Tier
from runtime import logs

IN_FLIGHT: Final = 16
"""Enough to keep two cores at work; more only waits in Temporal."""

PREFIX: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")

What = Annotated[Path, typer.Argument(exists=True, help="A directory, or the file of the tickets.")]
Tenant = Annotated[str, typer.Option("--tenant", help="The tenant's slug.")]
TierOf = Annotated[Tier, typer.Option("--tier", help="Of accounts that are made, and of customers without one.")]
Prefix = Annotated[str, typer.Option("--source", help="Names the other desk, for tickets are kept by `<source>:<id>`.")]
AtOnce = Annotated[int, typer.Option("--in-flight", min=1, max=500, help="Tickets under way at once.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Check everything and write nothing.")]

imports = typer.Typer(help="Take over the tickets of another desk (docs/import-and-export.md).", no_args_is_help=True)


@imports.command()
def zendesk(
    path: What,
    tenant: Tenant,
    tier: TierOf = Tier.BASIC,
    source: Prefix = "zendesk",
    in_flight: AtOnce = IN_FLIGHT,
    dry_run: Dry = False,
) -> None:
    """Zendesk's JSON export. Reads POSTGRES_* and TEMPORAL_*; what is there already is left alone, so it can be run again."""
    taken(path, tenant, Options(source, tier), in_flight, lambda: Zendesk(path, source), dry_run=dry_run)


@imports.command("csv")
def from_csv(
    path: What,
    tenant: Tenant,
    tier: TierOf = Tier.BASIC,
    source: Prefix = "csv",
    in_flight: AtOnce = IN_FLIGHT,
    dry_run: Dry = False,
) -> None:
    """CSV files with the documented columns. Reads POSTGRES_* and TEMPORAL_*; what is there already is left alone."""
    taken(path, tenant, Options(source, tier), in_flight, lambda: CsvDesk(path), dry_run=dry_run)


def taken(
    path: Path, tenant: str, options: Options, in_flight: int, source: Callable[[], Source], *, dry_run: bool
) -> None:
    """Run an import and exit with its code."""
    if not PREFIX.fullmatch(options.prefix):
        raise typer.BadParameter("must be lower-case letters, digits and hyphens", param_hint="--source")
    logs.configure("error", "import")
    importing = Import(path.resolve(), options, source, in_flight)
    raise typer.Exit(uvloop.run(importing.run(tenant, dry_run=dry_run)))


def register(app: typer.Typer) -> None:
    """Add the sub-command."""
    app.add_typer(imports, name="import")
