"""What a command says instead of doing its work."""


class CommandError(Exception):
    """The command cannot do what it was asked; the message is for its user."""

    exit_code = 1
