"""Operate a stack: `finch-sync --help`."""

import sys

import typer
from botocore.exceptions import BotoCoreError, ClientError

from finch_sync_cli import tokens
from finch_sync_cli.errors import CommandError

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(tokens.app, name="tokens")


@app.callback()
def _operate() -> None:
    """Operate a stack."""


def main() -> None:
    """Run a command; an expected failure is told without a traceback."""
    try:
        app()
    except (CommandError, BotoCoreError, ClientError) as error:
        sys.exit(f"finch-sync: {error}")


if __name__ == "__main__":
    main()
