"""`make demo`: one job over HTTP, one by the schedule's rule, both watched to their end."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from local_aws.progress import JobProgress, jobs_of
from local_aws.stack import Stack, running_stack

_OVER_HTTP, _BY_SCHEDULE = "acme", "globex"
_LOOK_EVERY_SECONDS = 0.5
_LOG_LINES = 30


class JobError(RuntimeError):
    """A job was not accepted, or did not reach its end."""


def demonstrate(timeout: float, console: Console) -> None:
    """Show the whole way of two jobs.

    Args:
        timeout: seconds that both jobs may take together, once the stack is ready.
        console: where to show it.

    Raises:
        JobError: a job was not accepted, not tracked to its end, or not in time; the message holds the function's log.
    """
    begun = time.monotonic()

    def say(step: str) -> None:
        console.print(f"{time.monotonic() - begun:6.1f} s  {step}", style="dim", highlight=False, soft_wrap=True)

    # Every minute, once it is on: the emulator's rule fires by itself at the next full minute.
    schedule = {
        "ScheduleExpression": "cron(* * * * ? *)",
        "ScheduleState": "DISABLED",
        "ScheduledConnections": _BY_SCHEDULE,
    }
    with running_stack(parameters=schedule, on_step=say) as stack:
        try:
            say(f"POST {stack.api_url}/sandbox/jobs as {_OVER_HTTP}")
            say(f"  answered {_enqueue(stack)}")
            events = stack.session.client("events", endpoint_url=stack.aws_endpoint_url)
            events.enable_rule(Name=stack.rule_name)
            say(f"rule {stack.rule_name} is on: it fires for {_BY_SCHEDULE} at the next full minute")
            jobs = _watch(stack, time.monotonic() + timeout, console)
            events.disable_rule(Name=stack.rule_name)
        except JobError as error:
            log = "\n".join(stack.function_log()[-_LOG_LINES:])
            raise JobError(f"{error}\n\nThe function's last log lines:\n{log}") from error
        console.print("\nThe final records:")
        for job in jobs:
            console.print_json(json.dumps(dict(job.record), default=str))
        say("stopping everything")
    say("done")


def _enqueue(stack: Stack) -> str:
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{stack.api_url}/sandbox/jobs",
        data=b'{"type":"data_sync_all"}',
        headers={"Authorization": f"Bearer {stack.connections[_OVER_HTTP]}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
            return f"{answer.status} {answer.read().decode()}"
    except urllib.error.HTTPError as error:
        raise JobError(f"POST /sandbox/jobs was answered {error.code} {error.read().decode()}") from error


def _watch(stack: Stack, deadline: float, console: Console) -> list[JobProgress]:
    """Show the first job of each connection until both have ended."""
    shown: set[str] = set()
    with Live(console=console, auto_refresh=False) as live:
        while True:
            jobs = [job for name in (_OVER_HTTP, _BY_SCHEDULE) for job in jobs_of(stack, name)[:1]]
            if console.is_terminal:
                live.update(_table(jobs), refresh=True)
            else:
                _print_changes(jobs, shown, console)
            for job in jobs:
                if job.ended and not job.well:
                    raise JobError(
                        f"job {job.job_id} of {job.connection} ended {job.tracking}, its execution {job.execution}"
                    )
            if len(jobs) == len((_OVER_HTTP, _BY_SCHEDULE)) and all(job.ended for job in jobs):
                return jobs
            if time.monotonic() > deadline:
                standing = "; ".join(_line(job) for job in jobs) or "no job has a record"
                raise JobError(f"the time is up: {standing}")
            time.sleep(_LOOK_EVERY_SECONDS)


def _table(jobs: Sequence[JobProgress]) -> Group:
    table = Table("connection", "job", "Finch says", "tracking", "state", "waits", "polls", "elapsed")
    for job in jobs:
        table.add_row(job.connection, job.job_id, job.status, job.tracking, job.state, str(job.waits), str(job.polls),
                      f"{job.elapsed_seconds:.1f} s")  # fmt: skip
    waiting = Text("" if len(jobs) > 1 else f"waiting for the rule: {60 - time.time() % 60:.0f} s", style="dim")
    return Group(table, waiting)


def _print_changes(jobs: Sequence[JobProgress], shown: set[str], console: Console) -> None:
    for job in jobs:
        line = _line(job)
        if line not in shown:
            shown.add(line)
            console.print(f"{job.elapsed_seconds:6.1f} s  {line}", highlight=False, soft_wrap=True)


def _line(job: JobProgress) -> str:
    return (
        f"{job.connection} {job.job_id}: Finch says {job.status}, tracking {job.tracking}, "
        f"state {job.state}, {job.waits} waits, {job.polls} polls"
    )
