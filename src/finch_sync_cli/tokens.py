"""Caller tokens: make, list and revoke them. Only a token's digest is kept anywhere."""

import hashlib
import json
import os
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from finch_sync_cli.errors import CommandError
from finch_sync_cli.secret import ConnectionsSecret, caller_entry
from finch_sync_cli.stacks import STACK_NAME, StackFile, StackName, stack

app = typer.Typer(help=__doc__, no_args_is_help=True)

SecretId = Annotated[str | None, typer.Option("--secret-id", help="The connections secret; else the stack's own.")]


def moment(text: str) -> datetime:
    """Read an expiry: days from now (`90d`), or a date and time with its offset.

    Raises:
        typer.BadParameter: It is neither, or past.
    """
    if days := re.fullmatch(r"(\d{1,4})d", text):
        return datetime.now(UTC) + timedelta(days=int(days[1]))
    try:
        expiry = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("neither days, such as 90d, nor a time, such as 2027-01-31T12:00:00Z") from None
    if expiry.tzinfo is None:
        raise typer.BadParameter("a time without its offset: end it with Z for UTC")
    if expiry <= datetime.now(UTC):
        raise typer.BadParameter("is past")
    return expiry


@app.command()
def make(
    *,
    connection: Annotated[
        str | None, typer.Option(help="Whom it opens. Without it nothing is written; you are told what to add.")
    ] = None,
    expires: Annotated[
        datetime | None, typer.Option(parser=moment, metavar="90d|TIME", help="When it stops working.")
    ] = None,
    replace_finch_token: Annotated[
        bool, typer.Option("--replace-finch-token", help="Also put another Finch token in the known one's place.")
    ] = False,
    secret_id: SecretId = None,
    stack_file: StackFile = None,
    stack_name: StackName = STACK_NAME,
) -> None:
    """Make a caller token and print it, this once.

    For a new connection its Finch token is taken from the environment's FINCH_TOKEN, or asked for.
    """
    token = secrets.token_urlsafe(32)
    digest = hashlib.sha256(token.encode()).hexdigest()
    if connection is None:
        _explain(digest, expires, secret_id or "SECRET_ID")
    else:
        secret = _secret(secret_id, stack_file, stack_name)
        needs_finch_token = replace_finch_token or connection not in secret
        finch_token = _finch_token(connection) if needs_finch_token else None
        secret.add(connection, digest, expires_at=expires, finch_token=finch_token)
        typer.echo(f"SHA-256: {digest}\nIt opens {connection!r} within a minute and is not shown again:", err=True)
    typer.echo(token)


@app.command(name="list")
def list_(secret_id: SecretId = None, stack_file: StackFile = None, stack_name: StackName = STACK_NAME) -> None:
    """List all caller tokens, by their digests."""
    for caller in _secret(secret_id, stack_file, stack_name).callers():
        typer.echo(f"{caller.connection}\t{caller.sha256}\t{caller.expires_at or 'does not expire'}")


@app.command()
def revoke(
    digest: Annotated[str, typer.Argument(help="The token's SHA-256 digest, or its first 8 digits or more.")],
    secret_id: SecretId = None,
    stack_file: StackFile = None,
    stack_name: StackName = STACK_NAME,
) -> None:
    """Take a caller token away; it opens nothing any more within a minute."""
    revoked = _secret(secret_id, stack_file, stack_name).revoke(digest)
    typer.echo(f"revoked {revoked.sha256} of {revoked.connection!r}", err=True)


def _secret(secret_id: str | None, stack_file: StackFile, stack_name: str) -> ConnectionsSecret:
    found = stack(stack_file, stack_name)
    client = found.session.client("secretsmanager", endpoint_url=found.endpoint_url)
    return ConnectionsSecret(client, secret_id or found.outputs["ConnectionsSecretArn"])


def _finch_token(connection: str) -> str:
    # Never an argument: those are in the shell's history, and every user of the machine can see them.
    token: str = os.environ.get("FINCH_TOKEN") or typer.prompt(
        f"Finch access token of {connection!r}", hide_input=True, err=True
    )
    if not token.isascii() or token != token.strip():
        raise CommandError("a Finch token has no spaces around it, and ASCII in it only")
    return token


def _explain(digest: str, expires: datetime | None, secret_id: str) -> None:
    entry = json.dumps(caller_entry(digest, expires))
    typer.echo(
        f"SHA-256: {digest}\n"
        f'Add to the secret, under "connections", NAME, "callers":\n  {entry}\n'
        "With the AWS CLI and jq:\n"
        f"  aws secretsmanager get-secret-value --secret-id {secret_id} --query SecretString --output text \\\n"
        f"    | jq -c '.connections[\"NAME\"].callers += [{entry}]' \\\n"
        f"    | aws secretsmanager put-secret-value --secret-id {secret_id} --secret-string file:///dev/stdin\n"
        "The token, which is not shown again:",
        err=True,
    )
