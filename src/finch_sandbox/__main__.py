"""The command: `python -m finch_sandbox`."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue, TypeAdapter
from rich.console import Console

from finch_sandbox.server import DEFAULT_CONNECTIONS, Sandbox, build_control, serve
from finch_sandbox.settings import SettingsBook
from finch_sandbox.store import ConnectionKind, Store


def main(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 0,
    connection: Annotated[list[str], typer.Option(help="An automated connection: name, or name=token.")] = [],  # noqa: B006
    assisted: Annotated[list[str], typer.Option(help="An assisted connection: name, or name=token.")] = [],  # noqa: B006
    state: Annotated[
        Path | None, typer.Option(help="File that keeps jobs, quotas, tokens and ledger over a restart.")
    ] = None,
    settings: Annotated[
        str, typer.Option(help="Settings as JSON, also for one connection: {'connections': {'acme': {...}}}.")
    ] = "{}",
    ready_file: Annotated[
        Path | None, typer.Option(help="File to write address and tokens to, as JSON, once connections are accepted.")
    ] = None,
) -> None:
    """Runs a local Finch sandbox until Ctrl-C."""
    kinds: dict[str, ConnectionKind] = {}
    tokens: dict[str, str] = {}
    for given, kind in [*((each, "automated") for each in connection), *((each, "assisted") for each in assisted)]:
        name, _, token = given.partition("=")
        kinds[name] = "assisted" if kind == "assisted" else "automated"
        if token:
            tokens[name] = token
    try:
        book = SettingsBook.from_json(TypeAdapter(dict[str, JsonValue]).validate_json(settings))
    except ValueError as invalid:
        raise typer.BadParameter(str(invalid), param_hint="--settings") from None
    if ready_file is not None:
        # One that a killed sandbox left behind would be taken for this one's.
        ready_file.unlink(missing_ok=True)
    store = Store(state)
    control = build_control(store, book, kinds or DEFAULT_CONNECTIONS, tokens)

    def announce(sandbox: Sandbox) -> None:
        _print_address(sandbox)
        if ready_file is not None:
            _write_whole(ready_file, json.dumps(sandbox.ready_record()))

    try:
        serve(control, host, port, announce)
    except OSError as unusable:
        typer.echo(f"Cannot listen on {host}:{port}: {unusable.strerror}", err=True)
        raise typer.Exit(1) from None
    finally:
        store.close()


def _print_address(sandbox: Sandbox) -> None:
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"Finch sandbox: [bold]{sandbox.url}[/bold]   control: {sandbox.url}/_sandbox/settings")
    for name, kind, token in sandbox.control.connections.all():
        console.print(f"  {name} ({kind}): {token}", markup=False)
    token = next(iter(sandbox.tokens.values()), "")
    console.print(
        f"curl -X POST {sandbox.url}/sandbox/jobs -H {shlex.quote(f'Authorization: Bearer {token}')} "
        f"-H 'Content-Type: application/json' -d '{{\"type\":\"data_sync_all\"}}'",
        markup=False,
    )


def _write_whole(path: Path, text: str) -> None:
    """Writes a file so that a reader sees all of it or none."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text)
    part.replace(path)


if __name__ == "__main__":
    typer.run(main)
