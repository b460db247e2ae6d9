"""What a command says instead of doing its work."""

from finch_sync_cli.exit_codes import ExitCode


class CommandError(Exception):
    """The command cannot do what it was asked; the message is for its user."""

    exit_code = 1


class UsageError(CommandError):
    """The command line names something that is not there, or too little."""

    exit_code = ExitCode.USAGE
