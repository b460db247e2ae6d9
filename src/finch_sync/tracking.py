"""Follow a job to its end: one look at a time, and what to do when an execution dies."""

import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from aws_lambda_powertools import Logger
from pydantic import ConfigDict, NonNegativeInt

from finch_sync import polling
from finch_sync.access import with_newest_token
from finch_sync.announcements import ACTIONS, Announcement, Announcer, announcement
from finch_sync.clock import Clock, Moment
from finch_sync.connections import Connections, UnknownConnection
from finch_sync.executions import Executions
from finch_sync.finch import Finch, FinchUnavailable, JobNotFound, QuotaExhausted, RateLimited, Refused
from finch_sync.jobs import KNOWN_STATUSES, Job, Report, Tracking, may_restart
from finch_sync.metrics import Metric, record
from finch_sync.models import Model
from finch_sync.pause import Pause
from finch_sync.polling import UNKNOWN, Durations
from finch_sync.store import Store

logger = Logger(child=True)

NOT_FOUND_TOLERATED = 5
"""How many looks in a row may find no such job, while Finch has perhaps not caught up with itself."""


class RecordMissing(Exception):
    """A job is followed that is not on record: somebody deleted it."""


class TrackingState(Model):
    """Where an execution stands between two looks: all that it carries, rebuilt each time."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    connection: str
    job_id: str
    accepted_at: Moment
    deadline: Moment
    status: str
    polls: NonNegativeInt
    not_found: NonNegativeInt
    wait_seconds: NonNegativeInt
    known: Durations = UNKNOWN


class Decision(TrackingState):
    """What the state machine does next, and the state it does it with."""

    next: Literal["wait", "done", "timed_out", "lost"]
    announcement: Announcement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracker:
    """Looks at jobs, and keeps their records right."""

    store: Store
    finch: Finch
    connections: Connections
    executions: Executions
    announcer: Announcer
    pause: Pause
    now: Clock
    expected: Durations = UNKNOWN

    def poll(self, state: TrackingState) -> Decision:
        """Look at a job once.

        Raises:
            FinchUnavailable: The look failed in a way that may pass, and the deadline is not here yet.
        """
        paused = self.pause.seconds_left(self.now())
        if paused > 0:
            return self._wait(state, hint=paused)
        try:
            report = self._look(state)
        except FinchUnavailable:
            if self.now() < state.deadline:
                raise
            return self._stop(state, Tracking.TIMED_OUT, "finch gave no answer by the deadline")
        except RateLimited as limited:
            logger.warning("rate limited by finch", error=str(limited), job_id=state.job_id)
            self.pause.heed(limited, self.now())
            return self._wait(state, hint=limited.retry_after)
        except QuotaExhausted as exhausted:
            now = self.now()
            left = (exhausted.retry_at - now).total_seconds() if exhausted.retry_at else None
            return self._wait(state, hint=left)
        except JobNotFound as refusal:
            if state.not_found >= NOT_FOUND_TOLERATED:
                return self._stop(state, Tracking.LOST, f"job not found: {refusal}")
            return self._wait(state.model_copy(update={"not_found": state.not_found + 1}))
        except (Refused, UnknownConnection) as error:
            return self._stop(state, Tracking.LOST, str(error))
        return self._weigh(state, report)

    def execution_died(self, connection: str, job_id: str, execution_name: str) -> None:
        """Close or restart the tracking of a job whose execution was stopped from outside, failed or timed out."""
        job = self.store.job(connection, job_id)
        if job is None or job.execution_name != execution_name:
            logger.info("an execution ended that follows nothing any more", execution=execution_name)
            return
        self._revive_or_close(job)

    def hurry(self, job_id: str) -> None:
        """Look at a job at once, since Finch says that it has ended: a new execution takes the waiting one's place."""
        connection = self.executions.connection_of(job_id)
        job = None if connection is None else self.store.job(connection, job_id)
        if (
            job is None
            or job.tracking is not Tracking.ACTIVE
            or not self.store.restart(job, now=self.now(), died=False)
        ):
            return
        hurried = job.model_copy(update={"restarts": job.restarts + 1})
        self.executions.start(hurried, self.store.durations(job.connection), at_once=True)
        self.executions.stop(job)

    def tend(self, connection: str, job_id: str, again_at: datetime) -> None:
        """See that an open job is followed, or at its end. For the sweep."""
        job = self.store.job(connection, job_id)
        if job is None or job.tracking is not Tracking.ACTIVE:
            return
        running = self.executions.is_running(job)
        if running is None:
            self.executions.start(job, self.store.durations(connection))
        elif running is False:
            self._revive_or_close(job)
            return
        self.store.look_again(job, at=again_at)

    def _look(self, state: TrackingState) -> Report:
        return with_newest_token(self.connections, state.connection, lambda token: self.finch.job(token, state.job_id))

    def _weigh(self, before: TrackingState, report: Report) -> Decision:
        state = before.model_copy(update={"polls": before.polls + 1, "not_found": 0, "status": report.status})
        if report.ended:
            return self._end(state, Tracking.DONE, None, report)
        if report.status not in KNOWN_STATUSES:
            record(Metric.UNKNOWN_STATUSES)
            logger.warning("unknown status, waiting on", status=report.status, job_id=state.job_id)
        if report.status != before.status:
            self.store.report(state.connection, report, polls=state.polls)
        return self._wait(state)

    def _wait(self, state: TrackingState, *, hint: float | None = None) -> Decision:
        now = self.now()
        seconds = polling.wait_seconds(
            (now - state.accepted_at).total_seconds(),
            (state.deadline - now).total_seconds(),
            state.known.or_else(self.expected),
            hint=hint,
            webhooks=bool(self.connections.webhook_secrets()),
            jitter=random.uniform(-1, 1),  # noqa: S311 - jitter, not a secret
        )
        if seconds is None:
            return self._stop(state, Tracking.TIMED_OUT, "the deadline passed")
        return self._decision(state, "wait", wait_seconds=seconds)

    def _stop(
        self, state: TrackingState, tracking: Literal[Tracking.TIMED_OUT, Tracking.LOST], reason: str
    ) -> Decision:
        logger.error("tracking ended without a final word", job_id=state.job_id, tracking=tracking, reason=reason)
        return self._end(state, tracking, reason, None)

    def _end(self, state: TrackingState, tracking: Tracking, reason: str | None, report: Report | None) -> Decision:
        now = self.now()
        ended_now = self.store.end_tracking(
            state.connection,
            state.job_id,
            tracking=tracking,
            reason=reason,
            polls=state.polls,
            report=report,
            now=now,
            known=None if report is None else state.known.after(_took(report, state, now)),
        )
        job = self.store.job(state.connection, state.job_id)
        if job is None:
            raise RecordMissing(f"no record of job {state.job_id}")
        if ended_now:
            _measure(job)
        # The record is what counts: it may have been ended before, by a look whose answer was lost, or by the sweep.
        return self._decision(
            state,
            job.tracking if job.tracking is not Tracking.ACTIVE else tracking,
            status=job.status,
            announcement=announcement(job),
        )

    def _decision(self, state: TrackingState, following: str, **changes: Any) -> Decision:
        return Decision.model_validate(vars(state) | changes | {"next": following})

    def _revive_or_close(self, job: Job) -> None:
        now = self.now()
        if may_restart(job, now):
            if self.store.restart(job, now=now, died=True):
                logger.warning("execution died, starting another", job_id=job.job_id, deaths=job.deaths + 1)
                restarted = job.model_copy(update={"restarts": job.restarts + 1})
                self.executions.start(restarted, self.store.durations(job.connection))
            return
        if job.tracking is Tracking.ACTIVE:
            self._close(job, now)

    def _close(self, job: Job, now: datetime) -> None:
        """Give a job up for which there is no execution left."""
        late = now >= job.deadline
        tracking = Tracking.TIMED_OUT if late else Tracking.LOST
        reason = "the deadline passed" if late else "its executions keep dying"
        # Announced first: if the record were ended first, and this worker died then, nobody would announce it.
        self.announcer.send(announcement(job.model_copy(update={"tracking": tracking, "tracking_reason": reason})))
        ended_now = self.store.end_tracking(
            job.connection, job.job_id, tracking=tracking, reason=reason, polls=None, report=None, now=now
        )
        if ended_now:
            record(Metric.JOBS, Outcome=tracking)


def _measure(job: Job) -> None:
    outcome = job.status if job.tracking is Tracking.DONE else job.tracking
    record(Metric.JOBS, Outcome=outcome)
    record(Metric.POLLS_PER_JOB, job.polls)
    if job.status in ACTIONS:
        record(Metric.ACTION_REQUIRED)
    if job.completed_at is not None:
        record(Metric.JOB_DURATION, max(0.0, (job.completed_at - job.created_at).total_seconds()))
        if job.ended_at is not None:
            record(Metric.DETECTION_DELAY, max(0.0, (job.ended_at - job.completed_at).total_seconds()))


def _took(report: Report, state: TrackingState, now: datetime) -> float:
    """How long an ended job took, in seconds: by Finch's clock if it tells, else until we saw it."""
    if report.created_at is not None and report.completed_at is not None:
        return (report.completed_at - report.created_at).total_seconds()
    return (now - state.accepted_at).total_seconds()
