"""Trigger jobs, and see how they are."""

import json
import re
import time
import uuid
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from finch_sync.clock import utc_now
from finch_sync.jobs import is_job_id
from finch_sync_cli.api import JobView, took
from finch_sync_cli.exit_codes import ExitCode, of_job
from finch_sync_cli.targets import AwsStack, Connection, LocalStack, Target, Token, Url, target
from finch_sync_cli.watching import watch as watch_job

console = Console(stderr=True, highlight=False)

PATIENCE = 150.0
"""Seconds to ask again for, with the same key, while an outcome is unknown: it is resolved within about two minutes."""

_STYLES = {ExitCode.COMPLETE: "green", ExitCode.STILL_RUNNING: "cyan", ExitCode.ACTION_REQUIRED: "yellow"}


def _job_id(text: str) -> str:
    if not is_job_id(text):
        raise typer.BadParameter("not a job's id")
    return text


def _key(text: str) -> str:
    if re.fullmatch(r"[\x21-\x7e]{1,255}", text) is None:
        raise typer.BadParameter("1 to 255 visible ASCII characters")
    return text


JobId = Annotated[str | None, typer.Argument(metavar="[JOB_ID]", parser=_job_id, help="Otherwise the newest job.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Seconds = Annotated[float, typer.Option("--timeout", min=1, help="Seconds until it gives up watching.")]


def trigger(
    *,
    key: Annotated[
        str | None, typer.Option(parser=_key, help="The Idempotency-Key: the same key never makes a second job.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Watch the job to its end.")] = False,
    timeout: Seconds = 3600,
    url: Url = None,
    token: Token = None,
    stack_file: LocalStack = None,
    connection: Connection = None,
    stack_name: AwsStack = None,
) -> None:
    """Enqueue a job, and print its id."""
    on = target(url, token, stack_file, connection, stack_name)
    enqueued = on.api.enqueue(key or f"cli-{uuid.uuid4()}", PATIENCE)
    if enqueued.job_id is None:
        console.print("An assisted connection: Finch syncs it, but without a job to follow.")
        return
    typer.echo(enqueued.job_id)
    if enqueued.remaining_refreshes is not None:
        console.print(f"refreshes left in this hour: {enqueued.remaining_refreshes}", style="bright_black")
    if wait:
        _watch(on, enqueued.job_id, timeout)


def status(
    job_id: JobId = None,
    *,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
    stack_file: LocalStack = None,
    connection: Connection = None,
    stack_name: AwsStack = None,
) -> None:
    """Say how a job is; the exit code says it too."""
    on = target(url, token, stack_file, connection, stack_name)
    job = on.api.job(job_id or _newest(on))
    if as_json:
        typer.echo(job.model_dump_json(exclude_none=True))
    else:
        typer.echo(f"{job.job_id}  {_told(job)}")
    raise typer.Exit(of_job(job.status, job.tracking))


def list_(
    *,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 20,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
    stack_file: LocalStack = None,
    connection: Connection = None,
    stack_name: AwsStack = None,
) -> None:
    """List the newest jobs."""
    jobs = target(url, token, stack_file, connection, stack_name).api.jobs(limit)
    if as_json:
        typer.echo(json.dumps([job.model_dump(mode="json", exclude_none=True) for job in jobs]))
        return
    table = Table("job", "status", "created", "took", box=None, pad_edge=False)
    for job in jobs:
        style = _STYLES.get(of_job(job.status, job.tracking), "red")
        table.add_row(job.job_id, f"[{style}]{job.status}[/]", _clock(job.created_at), _duration(job))
    Console(highlight=False).print(table)


def watch(
    job_id: JobId = None,
    *,
    timeout: Seconds = 3600,
    url: Url = None,
    token: Token = None,
    stack_file: LocalStack = None,
    connection: Connection = None,
    stack_name: AwsStack = None,
) -> None:
    """Follow a job live until it ends, its waits and looks drawn on a time line; the exit code says how it ended.

    With access to AWS (--stack, --stack-name) the line is drawn from the state machine's own history, else from what
    the API tells.
    """
    on = target(url, token, stack_file, connection, stack_name)
    _watch(on, job_id or _newest(on), timeout)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(trigger)
    app.command()(status)
    app.command(name="list")(list_)
    app.command()(watch)


def _watch(on: Target, job_id: str, timeout: float) -> None:
    job = watch_job(on, job_id, time.monotonic() + timeout, console)
    typer.echo(f"{job.job_id}  {_told(job)}", err=False)
    raise typer.Exit(of_job(job.status, job.tracking))


def _newest(on: Target) -> str:
    jobs = on.api.jobs(1)
    if not jobs:
        raise typer.BadParameter("this connection has no job yet; `finch-sync trigger` makes one")
    return jobs[0].job_id


def _told(job: JobView) -> str:
    followed = "" if job.tracking in {None, "done", "active"} else f", tracking {job.tracking}"
    return f"{job.status}{followed}  {_duration(job)}"


def _duration(job: JobView) -> str:
    seconds = took(job, utc_now())
    return "" if seconds is None else f"{seconds:.0f} s"


def _clock(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
