"""Composition root of the `summit` command: names its sub-commands and ends the process."""

import importlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from psycopg import OperationalError

COMMANDS = {
    "up": "cli.up",
    "migrate": "cli.migrate",
    "doctor": "cli.doctor",
    "demo": "cli.demo",
    "tenant": "cli.tenants",
    "user": "cli.users",
    "export": "cli.export",
    "import": "cli.imports.command",
    "reconcile": "cli.reconcile",
}
"""Sub-command → the module whose `register` adds it."""


def build(chosen: str | None) -> typer.Typer:
    """The application; when the sub-command is known, only its module is imported (all of them take seconds)."""
    app = typer.Typer(
        help="Run and look after a Summit installation.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_show_locals=False,  # locals hold passwords and tokens
    )
    app.callback()(_summit)
    for module in [COMMANDS[chosen]] if chosen in COMMANDS else COMMANDS.values():
        importlib.import_module(module).register(app)
    return app


def run() -> None:
    """Run one sub-command and leave at once.

    A process that used a Temporal client must not go through the interpreter's own ending: the client's threads
    still call into it, which aborts one short run in four.
    """
    code = 0
    try:
        build(sys.argv[1] if len(sys.argv) > 1 else None)()
    except OperationalError as error:
        print(f"Postgres cannot be used: {str(error).splitlines()[0]} (see POSTGRES_* and --data)", file=sys.stderr)
        code = 1
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _summit(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Use the servers that `summit up` runs on this directory; without POSTGRES_* that is .summit, if it runs."
        ),
    ] = None,
) -> None:
    if context.invoked_subcommand == "up" or (data is None and "POSTGRES_HOST" in os.environ):
        return
    directory = (data or Path(".summit")).resolve()
    if (directory / "stack.json").exists():
        from cli.stack import running_environment

        os.environ |= running_environment(directory, owner=context.invoked_subcommand != "doctor")
    elif data is not None:
        raise typer.BadParameter(
            "nothing runs on this directory; start it with `summit up --data …`", param_hint="--data"
        )


if __name__ == "__main__":
    run()
