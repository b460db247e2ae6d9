"""Operate a stack: trigger jobs and see how they are; make and revoke caller tokens.

The commands on jobs call the stack that FINCH_SYNC_URL and FINCH_SYNC_TOKEN name, or a local one: --stack FILE.

They exit with 0: complete, 1: failed, 2: wrong usage, 3: a person must act, 4: tracking ended without Finch's final
word, 5: the API or AWS gave no answer or refused, 6: still running.
"""

import sys

import typer
from botocore.exceptions import BotoCoreError, ClientError

from finch_sync_cli import jobs, tokens
from finch_sync_cli.errors import CommandError
from finch_sync_cli.exit_codes import ExitCode

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
jobs.register(app)
app.add_typer(tokens.app, name="tokens")


@app.callback()
def _operate() -> None:
    """Operate a stack."""


def main() -> None:
    """Run a command; an expected failure is told without a traceback."""
    try:
        app()
    except (CommandError, BotoCoreError, ClientError) as error:
        sys.stderr.write(f"finch-sync: {error}\n")
        sys.exit(error.exit_code if isinstance(error, CommandError) else ExitCode.NO_ANSWER)


if __name__ == "__main__":
    main()
