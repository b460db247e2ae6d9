"""Finch's jobs, and whether we still follow them. Pure rules."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from finch_sync.clock import Moment
from finch_sync.models import Model

DATA_SYNC_ALL = "data_sync_all"
"""The one job type that POST /sandbox/jobs takes (Finch API reference, "Enqueue a new sandbox job")."""

TERMINAL_STATUSES = frozenset({"complete", "error", "reauth_error", "permissions_error"})
KNOWN_STATUSES = TERMINAL_STATUSES | {"pending", "in_progress"}
"""Finch's words for how a job stands (Finch API reference, "Retrieve an Automated Job")."""

MAX_RESTARTS = 3
"""How often a dead execution is replaced before the job's tracking is given up."""

_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_job_id(text: str) -> bool:
    """Whether a text may be a job's id: safe as a key, in a path and as an execution's name.

    Finch calls the id a UUID, but its examples have carried a prefix, so it is taken as opaque within these bounds.
    """
    return _JOB_ID.fullmatch(text) is not None


def _readable_or_none(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    # A garbled time is worth less than the job that carries it.
    try:
        return validate(value)
    except ValidationError:
        return None


ReportedMoment = Annotated[Moment | None, WrapValidator(_readable_or_none)]


class Params(Model):
    """The input of a job that takes one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    individual_id: str


ReportedParams = Annotated[Params | None, WrapValidator(_readable_or_none)]


class Report(Model):
    """What Finch says about a job (Finch API reference, schema AutomatedAsyncJob).

    Tolerant on purpose: Finch reserves the right to add fields and words, and leaves out what it has nothing to say on.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    job_id: Annotated[str, Field(pattern=f"^{_JOB_ID.pattern}$")]
    type: str = DATA_SYNC_ALL
    status: Annotated[str, Field(min_length=1, max_length=64)]
    created_at: ReportedMoment = None
    scheduled_at: ReportedMoment = None
    started_at: ReportedMoment = None
    completed_at: ReportedMoment = None
    params: ReportedParams = None

    @property
    def ended(self) -> bool:
        """Whether this is Finch's final word."""
        return self.status in TERMINAL_STATUSES


class Tracking(StrEnum):
    """Whether we still follow a job. Ours; kept apart from the status, which is Finch's."""

    ACTIVE = "active"
    DONE = "done"
    TIMED_OUT = "timed_out"
    LOST = "lost"


class Job(Model):
    """The record of a job: Finch's latest word on it, and how our following of it stands.

    ``restarts`` counts executions after the first, ``deaths`` those of them that replaced one that had died.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    connection: str
    job_id: str
    type: str = DATA_SYNC_ALL
    status: str
    created_at: Moment
    scheduled_at: Moment | None = None
    started_at: Moment | None = None
    completed_at: Moment | None = None
    params: Params | None = None

    tracking: Tracking = Tracking.ACTIVE
    tracking_reason: str | None = None
    accepted_at: Moment
    deadline: Moment
    ended_at: Moment | None = None
    restarts: int = 0
    deaths: int = 0
    polls: int = 0

    @property
    def execution_name(self) -> str:
        """The name of the execution that follows this job now: its id, and a number once it was restarted."""
        return self.job_id if self.restarts == 0 else f"{self.job_id}.{self.restarts}"


def accepted_job(connection: str, job_id: str, *, now: datetime, deadline: datetime) -> Job:
    """The record of a job that Finch just accepted.

    Finch's answer to the enqueue names no status; ``pending`` is what its first look would say.
    """
    return Job(
        connection=connection, job_id=job_id, status="pending", created_at=now, accepted_at=now, deadline=deadline
    )


def may_restart(job: Job, now: datetime) -> bool:
    """Whether a job whose execution died gets another one."""
    return job.tracking is Tracking.ACTIVE and now < job.deadline and job.deaths < MAX_RESTARTS
