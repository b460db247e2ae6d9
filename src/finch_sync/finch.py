"""Finch over HTTP: three calls, and a defined answer for everything that can come back.

A GET may be tried again by whoever asked. The POST may not: it spends quota and is not idempotent, so its failures are
told apart by whether Finch can have acted (`NotSent`, `Refused`: no; `OutcomeUnknown`: perhaps).
"""

import json
import math
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote, urlsplit

import urllib3
from pydantic import ConfigDict, ValidationError
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError, NewConnectionError, SSLError

from finch_sync.clock import Moment
from finch_sync.jobs import DATA_SYNC_ALL, Report, is_job_id
from finch_sync.metrics import Metric, record
from finch_sync.models import Model

API_VERSION = "2020-09-17"
"""Finch-API-Version, required on every call (Finch developer guide, "Versioning")."""

ENQUEUE_TIMEOUT = urllib3.Timeout(connect=2.0, read=10.0)
LOOK_TIMEOUT = urllib3.Timeout(connect=2.0, read=6.0)
"""A POST and a look after it fit, with two tries to connect each, into the 29 s that API Gateway waits."""

# One more try where no connection was made, and never where one was: a second POST is a second job.
# Left to itself, urllib3 would take a Retry-After as leave to try again, and keep the answer from us.
_TRIES = urllib3.Retry(
    connect=1, read=0, redirect=0, status=0, other=0, backoff_factor=0.2, respect_retry_after_header=False
)

MAX_ANSWER_BYTES = 1_000_000

APPLICATION_LIMIT_SECONDS = 60.0
IP_PENALTY_SECONDS = 3600.0
"""How long Finch's two rate limits last (Finch developer guide, "Rate Limits")."""


@dataclass(frozen=True, slots=True)
class Quota:
    """Refreshes of a connection: allowed per fixed window of an hour, and left in this one."""

    allowed: int | None
    remaining: int | None


@dataclass(frozen=True, slots=True)
class Enqueued:
    """Finch took the request. ``job_id`` is None for an assisted connection: no job is created then."""

    job_id: str | None
    quota: Quota
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Listing:
    """Finch's automated jobs of a connection, newest first, and its quota where Finch tells it."""

    reports: tuple[Report, ...]
    quota: Quota


class FinchError(Exception):
    """Anything but a plain answer from Finch."""


class NotSent(FinchError):
    """The connection was never made, so Finch cannot have acted."""


class OutcomeUnknown(FinchError):
    """The POST may have reached Finch, but no answer that could be understood came back."""


class FinchUnavailable(FinchError):
    """A GET failed in a way that may pass. The state machine retries it by this name."""


class Refused(FinchError):
    """Finch said no, and did nothing.

    Attributes:
        status: The HTTP status.
        body: Finch's JSON body, or an empty dict when there was none to read.
        request_id: Finch's id of the request, for its support.
        retry_after: Seconds to wait before trying again, where Finch or its documentation says so.
    """

    def __init__(
        self, status: int, body: dict[str, Any], request_id: str | None, retry_after: float | None = None
    ) -> None:
        self.status = status
        self.body = body
        self.request_id = request_id
        self.retry_after = retry_after
        super().__init__(f"Finch answered {status} {self.name} {self.finch_code} (request {request_id})")

    @property
    def name(self) -> str | None:
        """Finch's broad error name."""
        return _text(self.body.get("name"))

    @property
    def finch_code(self) -> str | None:
        """Finch's finer error code."""
        return _text(self.body.get("finch_code"))

    @property
    def message(self) -> str | None:
        """Finch's words for developers."""
        return _text(self.body.get("message"))


class QuotaExhausted(Refused):
    """429 of the hourly quota: told by its body, which carries ``retry_at`` and no ``name``."""

    @property
    def retry_at(self) -> datetime | None:
        """When the next window opens, if Finch said so."""
        return _QuotaBody.model_validate(self.body).retry_at

    @property
    def quota(self) -> Quota:
        """What Finch says is left."""
        body = _QuotaBody.model_validate(self.body)
        return Quota(body.allowed_refreshes, body.remaining_refreshes)


class RateLimited(Refused):
    """429 of a rate limit: too many calls by this application, or from this address."""

    @property
    def for_whole_address(self) -> bool:
        """Whether every call from this address is refused, whatever its connection."""
        return self.finch_code == "finch_api_ip_rl"


class ActionRequired(Refused):
    """401, 402 or 403: nothing helps until a person has acted."""


class JobNotFound(Refused):
    """404: Finch knows no such job, or not yet, or not any more."""


P = ParamSpec("P")
T = TypeVar("T")


def _counting_errors(call: Callable[P, T]) -> Callable[P, T]:
    @wraps(call)
    def counted(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return call(*args, **kwargs)
        except FinchError as error:
            record(Metric.FINCH_ERRORS, Kind=type(error).__name__)
            raise

    return counted


class Finch:
    """Finch's API at one base URL. Safe to share between threads."""

    def __init__(self, base_url: str, tls: ssl.SSLContext | None = None) -> None:
        pools = urllib3.PoolManager(maxsize=16, ssl_context=tls or ssl.create_default_context())
        self._pool = pools.connection_from_url(base_url)
        self._base_path = urlsplit(base_url).path.rstrip("/")

    @_counting_errors
    def enqueue(self, token: str) -> Enqueued:
        """Enqueue a sandbox job (Finch API reference, "Enqueue a new sandbox job").

        Raises:
            NotSent: Nothing reached Finch.
            Refused: Finch said no; see its subclasses.
            OutcomeUnknown: Finch may have acted.
        """
        try:
            response = self._call("POST", "/sandbox/jobs", token, ENQUEUE_TIMEOUT, {"type": DATA_SYNC_ALL})
        except HTTPError as error:
            raise (NotSent if _never_connected(error) else OutcomeUnknown)(_words(error)) from None
        if response.status in {200, 201, 202}:
            return _enqueued(response)
        if response.status == 408 or (response.status >= 500 and response.status != 501) or response.status < 300:
            raise OutcomeUnknown(f"Finch answered {response.status} (request {response.request_id})")
        raise _refusal(response)

    @_counting_errors
    def job(self, token: str, job_id: str) -> Report:
        """Look at a job (Finch API reference, "Retrieve an Automated Job").

        Raises:
            Refused: Finch said no; `JobNotFound` and others.
            FinchUnavailable: The look failed in a way that may pass.
        """
        # Built from the id: Finch's own job_url is spelled two ways, and no address from a response is ever followed.
        response = self._look(f"/jobs/automated/{quote(job_id, safe='')}", token)
        try:
            report = Report.model_validate_json(response.body)
        except ValidationError:
            raise FinchUnavailable(f"a job that cannot be read (request {response.request_id})") from None
        if report.job_id != job_id:
            raise FinchUnavailable(f"another job than asked for (request {response.request_id})")
        return report

    @_counting_errors
    def jobs(self, token: str, limit: int = 25) -> Listing:
        """List a connection's jobs, newest first (Finch API reference, "List automated jobs").

        Entries that cannot be read are left out.

        Raises:
            Refused: Finch said no.
            FinchUnavailable: The look failed in a way that may pass.
        """
        response = self._look(f"/jobs/automated?limit={limit}", token)
        try:
            listing = _ListingBody.model_validate_json(response.body)
        except ValidationError:
            raise FinchUnavailable(f"a list that cannot be read (request {response.request_id})") from None
        reports = (_report_or_none(entry) for entry in listing.data)
        return Listing(tuple(report for report in reports if report is not None), _listed_quota(listing.meta))

    def _look(self, path: str, token: str) -> "_Response":
        try:
            response = self._call("GET", path, token, LOOK_TIMEOUT)
        except HTTPError as error:
            raise FinchUnavailable(_words(error)) from None
        if response.status == 200:
            return response
        # A redirect is a proxy's doing, and passes: no job is given up for it.
        if response.status == 408 or (response.status >= 500 and response.status != 501) or response.status < 400:
            raise FinchUnavailable(f"Finch answered {response.status} (request {response.request_id})")
        raise _refusal(response)

    def _call(
        self, method: str, path: str, token: str, timeout: urllib3.Timeout, body: dict[str, str] | None = None
    ) -> "_Response":
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "Content-Type": "application/json",
            "Finch-API-Version": API_VERSION,
            "User-Agent": "finch-sync",
        }
        began = time.monotonic()
        try:
            response = self._pool.urlopen(
                method,
                self._base_path + path,
                headers=headers,
                body=None if body is None else json.dumps(body, separators=(",", ":")),
                timeout=timeout,
                redirect=False,
                retries=_TRIES,
                preload_content=False,
            )
            try:
                content = response.read(MAX_ANSWER_BYTES, decode_content=True)
                whole = len(content) < MAX_ANSWER_BYTES
            finally:
                response.close()  # gives the connection back if all of it was read, and ends it if not
        except MaxRetryError as error:
            raise (error.reason if isinstance(error.reason, HTTPError) else error) from None
        milliseconds = round((time.monotonic() - began) * 1000)
        answered = _Response(response.status, content if whole else b"", response.headers)
        record(
            Metric.FINCH_LATENCY,
            milliseconds,
            {
                "message": "finch answered",
                "path": path,
                "status": answered.status,
                "finch_request_id": answered.request_id,
            },
            Call=method,
        )
        return answered


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def request_id(self) -> str | None:
        """Finch's id of the request, on every response (Finch developer guide, "Headers")."""
        return self.headers.get("Finch-Request-Id")

    def json_object(self) -> dict[str, Any]:
        try:
            parsed = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return parsed if isinstance(parsed, dict) else {}


class _EnqueuedBody(Model):
    model_config = ConfigDict(extra="ignore")

    job_id: str | None
    allowed_refreshes: int | None = None
    remaining_refreshes: int | None = None


class _QuotaBody(Model):
    model_config = ConfigDict(extra="ignore")

    allowed_refreshes: int | None = None
    remaining_refreshes: int | None = None
    retry_at: Moment | None = None


class _ListingBody(Model):
    model_config = ConfigDict(extra="ignore")

    data: list[Any]
    meta: Any = None


def _enqueued(response: _Response) -> Enqueued:
    try:
        body = _EnqueuedBody.model_validate_json(response.body)
    except ValidationError:
        raise OutcomeUnknown(f"an answer that cannot be read (request {response.request_id})") from None
    if body.job_id is not None and not is_job_id(body.job_id):
        raise OutcomeUnknown(f"an answer whose job_id is no id (request {response.request_id})")
    return Enqueued(body.job_id, Quota(body.allowed_refreshes, body.remaining_refreshes), response.request_id)


def _refusal(response: _Response) -> Refused:
    body, request_id = response.json_object(), response.request_id
    retry_after = _seconds(response.headers.get("Retry-After"))
    match response.status:
        case 429:
            # Both kinds are 429; only the quota's body has these (Finch API reference, "Enqueue a new automated job").
            if _text(body.get("name")) is None and ("retry_at" in body or "remaining_refreshes" in body):
                return QuotaExhausted(429, _readable_quota(body), request_id, retry_after)
            limited = RateLimited(429, body, request_id, retry_after)
            if limited.retry_after is None:
                limited.retry_after = IP_PENALTY_SECONDS if limited.for_whole_address else APPLICATION_LIMIT_SECONDS
            return limited
        case 401 | 402 | 403:
            return ActionRequired(response.status, body, request_id)
        case 404:
            return JobNotFound(404, body, request_id)
        case status:
            return Refused(status, body, request_id, retry_after)


def _readable_quota(body: dict[str, Any]) -> dict[str, Any]:
    """The quota's body without the fields that are not what they should be."""
    readable = {}
    for name, value in body.items():
        try:
            _QuotaBody.model_validate({name: value})
        except ValidationError:
            continue
        readable[name] = value
    return readable


def _report_or_none(entry: object) -> Report | None:
    try:
        return Report.model_validate(entry)
    except ValidationError:
        return None


def _listed_quota(meta: object) -> Quota:
    quota: object = meta
    for name in ("quotas", DATA_SYNC_ALL):
        quota = quota.get(name) if isinstance(quota, dict) else None
    try:
        body = _QuotaBody.model_validate(quota)
    except ValidationError:
        return Quota(None, None)
    return Quota(body.allowed_refreshes, body.remaining_refreshes)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _seconds(header: str | None) -> float | None:
    """Retry-After in seconds; its date form is left aside, since Finch documents neither."""
    try:
        seconds = float(header or "")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None


def _never_connected(error: HTTPError) -> bool:
    if isinstance(error, SSLError):
        # TLS may also break after the request went out. Only a certificate is looked at before, and never later.
        return isinstance(error.args[0], ssl.SSLCertVerificationError)
    return isinstance(error, NewConnectionError | ConnectTimeoutError)


def _words(error: HTTPError) -> str:
    """An error in words of ours: urllib3's carry the URL."""
    return type(error).__name__
