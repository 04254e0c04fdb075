"""Composition root of the `summit` command: names its sub-commands and ends the process."""

import os
import sys

import typer

from cli.doctor import doctor
from cli.migrate import migrate
from cli.up import up

app = typer.Typer(
    help="Run and look after a Summit installation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals hold passwords and tokens
)
app.command()(up)
app.command()(migrate)
app.command()(doctor)


def run() -> None:
    """Run one sub-command and leave at once.

    A process that used a Temporal client must not go through the interpreter's own ending: the client's threads
    still call into it, which aborts one short run in four.
    """
    code = 0
    try:
        app()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    run()
