"""A stack's HTTP API, as the commands call it."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeVar

import urllib3
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from urllib3.exceptions import HTTPError

from finch_sync.answers import TRACKING_HEADER
from finch_sync.clock import Moment
from finch_sync.jobs import TERMINAL_STATUSES, Tracking
from finch_sync.waiting import LONGEST_WAIT
from finch_sync_cli.errors import CommandError
from finch_sync_cli.exit_codes import ExitCode

T = TypeVar("T", bound=BaseModel)

_REPEATABLE = frozenset({408, 429, 500, 502, 503, 504})


class ApiError(CommandError):
    """The API refused, or gave no answer."""

    exit_code = ExitCode.NO_ANSWER


class JobView(BaseModel):
    """A job as the API tells it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    job_id: str
    status: str
    created_at: Moment | None = None
    scheduled_at: Moment | None = None
    started_at: Moment | None = None
    completed_at: Moment | None = None
    tracking: str | None = None
    """Whether it is still followed; None where the API does not tell, as in a list."""

    @property
    def ended(self) -> bool:
        """Whether nothing about it will change any more."""
        return self.status in TERMINAL_STATUSES or self.tracking in {Tracking.TIMED_OUT, Tracking.LOST}


class EnqueuedView(BaseModel):
    """The answer to a trigger; an assisted connection has no job."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    job_id: str | None
    allowed_refreshes: int | None = None
    remaining_refreshes: int | None = None


class ListedJobs(BaseModel):
    """A page of jobs, newest first."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    data: Annotated[list[JobView], Field(default_factory=list)]


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def may_repeat(self) -> bool:
        said = self.headers.get("x-should-retry")
        return said == "true" or (said != "false" and self.status in _REPEATABLE)

    @property
    def pause(self) -> float:
        """Seconds to leave before the next attempt."""
        told = self.headers.get("Retry-After", "")
        return float(told) if told.isdecimal() else 1.0

    def as_error(self) -> ApiError:
        try:
            told = json.loads(self.body)
            return ApiError(f"{self.status} {told['finch_code']}: {told['message']}")
        except (ValueError, LookupError, TypeError):
            return ApiError(f"{self.status}, and not in the form of this API: {self.body[:200]!r}")


class Api:
    """One connection's view of a stack: a caller token opens no other."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._authorization = {"Authorization": f"Bearer {token}"}
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=5, read=LONGEST_WAIT + 15))

    def enqueue(self, idempotency_key: str, patience: float) -> EnqueuedView:
        """Ask for a job, and ask again with the same key for as long as the API says that this may help.

        Raises:
            ApiError: It was refused, or all patience was of no use.
        """
        answer = self._asked("POST", "/sandbox/jobs", {"Idempotency-Key": idempotency_key}, patience)
        return _read(EnqueuedView, answer)

    def job(self, job_id: str, *, wait: int = 0, patience: float = 10) -> JobView:
        """Look at a job; with `wait`, the answer comes at its end or after so many seconds.

        Raises:
            ApiError: There is none of this id, or no answer came.
        """
        headers = {"Prefer": f"wait={wait}"} if wait else {}
        answer = self._asked("GET", f"/jobs/automated/{job_id}", headers, patience)
        job = _read(JobView, answer)
        return job.model_copy(update={"tracking": answer.headers.get(TRACKING_HEADER)})

    def jobs(self, limit: int) -> list[JobView]:
        """The newest jobs.

        Raises:
            ApiError: No answer came.
        """
        return _read(ListedJobs, self._asked("GET", f"/jobs/automated?limit={limit}", {}, 10)).data

    def _asked(self, method: str, path: str, headers: Mapping[str, str], patience: float) -> _Answer:
        until = time.monotonic() + patience
        while True:
            pause, error = 1.0, ApiError("no attempt was made")
            try:
                answer = self._ask(method, path, headers)
            except HTTPError as lost:
                error = ApiError(f"{self._url} gives no answer: {lost}")
            else:
                if answer.status < 300:
                    return answer
                pause, error = answer.pause, answer.as_error()
                if not answer.may_repeat:
                    raise error
            if time.monotonic() + pause > until:
                raise error
            time.sleep(pause)

    def _ask(self, method: str, path: str, headers: Mapping[str, str]) -> _Answer:
        body = json.dumps({"type": "data_sync_all"}) if method == "POST" else None
        content = {"Content-Type": "application/json"} if body else {}
        response = self._http.request(
            method, self._url + path, body=body, headers={**self._authorization, **content, **headers}, redirect=False
        )
        return _Answer(response.status, response.headers, response.data)


def _read(kind: type[T], answer: _Answer) -> T:
    try:
        return kind.model_validate_json(answer.body)
    except ValidationError:
        raise answer.as_error() from None


def took(job: JobView, now: datetime) -> float | None:
    """Seconds from a job's making to its end, or to now."""
    if job.created_at is None:
        return None
    return ((job.completed_at or now) - job.created_at).total_seconds()
