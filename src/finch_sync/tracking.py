"""Follow a job to its end: one look at a time, and what to do when an execution dies."""

import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from aws_lambda_powertools import Logger
from pydantic import BaseModel, ConfigDict, NonNegativeInt

from finch_sync import polling
from finch_sync.access import with_newest_token
from finch_sync.clock import Clock, Moment
from finch_sync.connections import Connections, UnknownConnection
from finch_sync.executions import Executions
from finch_sync.finch import Finch, FinchUnavailable, JobNotFound, QuotaExhausted, RateLimited, Refused
from finch_sync.jobs import KNOWN_STATUSES, Job, Report, Tracking, may_restart
from finch_sync.pause import Pause
from finch_sync.polling import UNKNOWN, Durations
from finch_sync.store import Store

logger = Logger(child=True)

NOT_FOUND_TOLERATED = 5
"""How many looks in a row may find no such job, while Finch has perhaps not caught up with itself."""


class TrackingState(BaseModel):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracker:
    """Looks at jobs, and keeps their records right."""

    store: Store
    finch: Finch
    connections: Connections
    executions: Executions
    pause: Pause
    now: Clock

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
        return self._weigh(state.model_copy(update={"polls": state.polls + 1, "not_found": 0}), report)

    def execution_died(self, connection: str, job_id: str, execution_name: str) -> None:
        """Close or restart the tracking of a job whose execution was stopped from outside, failed or timed out."""
        job = self.store.job(connection, job_id)
        if job is None or job.execution_name != execution_name:
            logger.info("an execution ended that follows nothing any more", execution=execution_name)
            return
        self._revive_or_close(job)

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

    def _weigh(self, state: TrackingState, report: Report) -> Decision:
        if report.ended:
            self._end(state, Tracking.DONE, None, report)
            return self._decision(state, "done", status=report.status)
        if report.status not in KNOWN_STATUSES:
            logger.warning("unknown status, waiting on", status=report.status, job_id=state.job_id)
        if report.status != state.status:
            self.store.report(state.connection, report, polls=state.polls)
        return self._wait(state.model_copy(update={"status": report.status}))

    def _wait(self, state: TrackingState, *, hint: float | None = None) -> Decision:
        now = self.now()
        seconds = polling.wait_seconds(
            (now - state.accepted_at).total_seconds(),
            (state.deadline - now).total_seconds(),
            state.known,
            hint=hint,
            jitter=random.uniform(-1, 1),  # noqa: S311 - jitter, not a secret
        )
        if seconds is None:
            return self._stop(state, Tracking.TIMED_OUT, "the deadline passed")
        return self._decision(state, "wait", wait_seconds=seconds)

    def _stop(
        self, state: TrackingState, tracking: Literal[Tracking.TIMED_OUT, Tracking.LOST], reason: str
    ) -> Decision:
        logger.error("tracking ended without a final word", job_id=state.job_id, tracking=tracking, reason=reason)
        self._end(state, tracking, reason, None)
        return self._decision(state, "timed_out" if tracking is Tracking.TIMED_OUT else "lost")

    def _end(self, state: TrackingState, tracking: Tracking, reason: str | None, report: Report | None) -> None:
        now = self.now()
        self.store.end_tracking(
            state.connection,
            state.job_id,
            tracking=tracking,
            reason=reason,
            polls=state.polls,
            report=report,
            now=now,
            known=None if report is None else state.known.after(_took(report, state, now)),
        )

    def _decision(self, state: TrackingState, following: str, **changes: Any) -> Decision:
        return Decision.model_validate(state.model_dump() | changes | {"next": following})

    def _revive_or_close(self, job: Job) -> None:
        now = self.now()
        if may_restart(job, now):
            if self.store.restart(job, now=now):
                logger.warning("execution died, starting another", job_id=job.job_id, restarts=job.restarts + 1)
                restarted = job.model_copy(update={"restarts": job.restarts + 1})
                self.executions.start(restarted, self.store.durations(job.connection))
            return
        if job.tracking is Tracking.ACTIVE:
            late = now >= job.deadline
            self.store.end_tracking(
                job.connection,
                job.job_id,
                tracking=Tracking.TIMED_OUT if late else Tracking.LOST,
                reason="the deadline passed" if late else "its executions keep dying",
                polls=None,
                report=None,
                now=now,
            )


def _took(report: Report, state: TrackingState, now: datetime) -> float:
    """How long an ended job took, in seconds: by Finch's clock if it tells, else until we saw it."""
    if report.created_at is not None and report.completed_at is not None:
        return (report.completed_at - report.created_at).total_seconds()
    return (now - state.accepted_at).total_seconds()
