"""Composition root of the `summit` command: names its sub-commands and ends the process."""

import importlib
import os
import sys

import typer

COMMANDS = {
    "up": "cli.up",
    "migrate": "cli.migrate",
    "doctor": "cli.doctor",
    "demo": "cli.demo",
    "tenant": "cli.tenants",
    "user": "cli.users",
    "export": "cli.export",
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
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _summit() -> None:
    # With a callback a lone sub-command keeps its name; Typer would otherwise make it the whole program.
    return None


if __name__ == "__main__":
    run()
