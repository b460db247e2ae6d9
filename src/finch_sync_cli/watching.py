"""Follow a job live."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from finch_sync.clock import utc_now
from finch_sync.waiting import LONGEST_WAIT
from finch_sync_cli.api import JobView, took
from finch_sync_cli.targets import Target
from finch_sync_cli.timeline import Mark, Span, Story, drawn, legend

_LOOK_EVERY = 1.0


def watch(on: Target, job_id: str, until: float, console: Console) -> JobView:
    """Show a job until it ends.

    Args:
        on: Its stack.
        job_id: The job.
        until: When to give up, by the monotonic clock.
        console: Where to show it.

    Returns:
        The job, as it is at the end.

    Raises:
        ApiError: No answer came.
    """
    story: _Telling = _ByExecutions(on, job_id) if on.executions is not None else _ByStatuses()
    with _screen(console) as show:
        while True:
            job = on.api.job(job_id, wait=story.wait(until), patience=60)
            told = story.after(job)
            show(job, told)
            left = until - time.monotonic()
            if job.ended or left <= 0:
                return job
            time.sleep(min(left, _LOOK_EVERY))


class _Telling(Protocol):
    def wait(self, until: float) -> int:
        """Seconds that the next look may take."""

    def after(self, job: JobView) -> Story:
        """All that is known after a look."""


class _ByExecutions:
    """Looks into AWS, often: that costs Finch nothing."""

    def __init__(self, on: Target, job_id: str) -> None:
        self._on = on
        self._job_id = job_id

    def wait(self, until: float) -> int:  # noqa: ARG002 - it never waits
        return 0

    def after(self, job: JobView) -> Story:  # noqa: ARG002 - the executions know more
        return Story(()) if self._on.executions is None else self._on.executions.story(self._job_id)


class _ByStatuses:
    """Knows what the API tells; each look lasts until something is to be told."""

    def __init__(self) -> None:
        self._seen = False

    def wait(self, until: float) -> int:
        first, self._seen = not self._seen, True
        return 0 if first else max(0, min(LONGEST_WAIT, int(until - time.monotonic())))

    def after(self, job: JobView) -> Story:
        spans = []
        if job.created_at is not None:
            spans.append(Span(Mark.PENDING, job.created_at, job.started_at or job.completed_at))
        if job.started_at is not None:
            spans.append(Span(Mark.RUNNING, job.started_at, job.completed_at))
        return Story(tuple(spans))


class _Show(Protocol):
    def __call__(self, job: JobView, story: Story) -> None:
        """Show how a job is now."""


@contextmanager
def _screen(console: Console) -> Iterator[_Show]:
    if not console.is_terminal:
        yield _Lines(console)
        return
    with Live(console=console, refresh_per_second=4) as live:
        yield lambda job, story: live.update(_picture(job, story, utc_now()))


class _Lines:
    """For a log: one line a change, and the picture at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = ""

    def __call__(self, job: JobView, story: Story) -> None:
        if job.status != self._last:
            self._console.print(f"{utc_now():%H:%M:%S}  {job.status}")
            self._last = job.status
        if job.ended:
            self._console.print(_picture(job, story, utc_now()))


def _picture(job: JobView, story: Story, now: datetime) -> RenderableType:
    seconds = took(job, now)
    head = Text(f"{job.job_id}  ", style="bold").append(job.status, style="cyan")
    if seconds is not None:
        head.append(f"  {seconds:.0f} s", style="bright_black")
    looks = sum(span.mark in {Mark.LOOK, Mark.FAILED_LOOK} for span in story.spans)
    if looks:
        head.append(f"  looks: {looks}", style="bright_black")
    if story.next_look is not None and not job.ended:
        head.append(f"  next in {max(0.0, (story.next_look - now).total_seconds()):.0f} s", style="bright_black")
    return Group(head, drawn(story.spans, now), legend(story.spans))
