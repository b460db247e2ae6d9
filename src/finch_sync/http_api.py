"""The HTTP API: Finch's paths and bodies, answered from our records."""

import base64
import json
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from aws_lambda_powertools import Logger
from pydantic import ConfigDict, Field, ValidationError

from finch_sync import answers, webhook_inbox
from finch_sync.clock import Clock
from finch_sync.connections import Connections
from finch_sync.enqueue import Enqueuer, NotYet
from finch_sync.jobs import DATA_SYNC_ALL, Tracking, is_job_id
from finch_sync.ledger import Answer, Request, Source, fingerprint
from finch_sync.metrics import Metric, record
from finch_sync.models import Model
from finch_sync.store import Store
from finch_sync.triggers import HttpRequest
from finch_sync.waiting import WaitingRoom, preferred_wait
from finch_sync.webhook_inbox import WebhookInbox

logger = Logger(child=True)

MAX_BODY_BYTES = 10_000
MAX_BODY_DEPTH = 16
QUOTA_WINDOW = timedelta(hours=1)
"""How long Finch's word on a quota can hold: its window is a fixed hour."""

_METHODS = {
    "/sandbox/jobs": "POST",
    "/jobs/automated": "GET",
    "/jobs/automated/{job_id}": "GET",
}

_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class _BadRequest(Exception):
    """The caller's mistake; the text names the field."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Page(Model):
    """Which of a connection's jobs to list."""

    model_config = ConfigDict(extra="ignore")

    limit: int = Field(default=100, ge=1, le=100)
    offset: int = Field(default=0, ge=0, le=10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpApi:
    """Answers requests of callers who hold a caller token."""

    store: Store
    connections: Connections
    enqueuer: Enqueuer
    waiting_room: WaitingRoom
    webhook_inbox: WebhookInbox
    now: Clock

    def answer(self, request: HttpRequest) -> dict[str, Any]:
        """Answer a request, in the form that API Gateway takes."""
        if request.resource == webhook_inbox.PATH:
            return _rendered(request, self.webhook_inbox.receive(request))
        connection = self.connections.of_caller(request.header("Authorization"), self.now())
        if connection is None:
            record(Metric.REQUESTS, Source=Source.HTTP, Result="unauthorized")
            return _rendered(request, _unauthorized())
        logger.append_keys(connection=connection)
        try:
            answer = self._route(request, connection)
        except _BadRequest as mistake:
            answer = answers.error(mistake.status, "bad_request", "invalid_request", str(mistake), answers.DO_NOT_RETRY)
        return _rendered(request, answer)

    def _route(self, request: HttpRequest, connection: str) -> Answer:
        match request.method, request.resource:
            case "POST", "/sandbox/jobs":
                return self._enqueue(request, connection)
            case "GET", "/jobs/automated/{job_id}":
                return self._retrieve(request, connection)
            case "GET", "/jobs/automated":
                return self._list(request, connection)
            case _, resource if resource in _METHODS:
                return answers.method_not_allowed(_METHODS[resource])
        return answers.error(404, "not_found_error", "route_not_found", "No such endpoint.")

    def _enqueue(self, request: HttpRequest, connection: str) -> Answer:
        body = _body(request)
        if body.get("type") != DATA_SYNC_ALL:
            raise _BadRequest(f'type: must be "{DATA_SYNC_ALL}"')
        key = request.header("Idempotency-Key")
        if key is not None and _IDEMPOTENCY_KEY.fullmatch(key) is None:
            raise _BadRequest("Idempotency-Key: must be 1 to 255 visible ASCII characters")
        now = self.now()
        asked = Request(
            connection=connection,
            key=f"call:{request.context.request_id}" if key is None else f"key:{key}",
            source=Source.HTTP,
            fingerprint=fingerprint(body),
            created_at=now,
            due_at=now,
            base_url=_base_url(request),
        )
        repeats = key is None and _is_repetition(request)
        outcome = self.enqueuer.repeat(asked) if repeats else self.enqueuer.enqueue(asked)
        record(Metric.REQUESTS, Source=Source.HTTP, Result="not_yet" if isinstance(outcome, NotYet) else outcome.state)
        if isinstance(outcome, NotYet) or outcome.answer is None:
            return outcome.answer or answers.in_flight()
        if outcome.created_at < now:
            return outcome.answer.model_copy(
                update={"headers": outcome.answer.headers | {"Idempotent-Replayed": "true"}}
            )
        return outcome.answer

    def _retrieve(self, request: HttpRequest, connection: str) -> Answer:
        job_id = request.path_parameters.get("job_id", "")
        job = self.store.job(connection, job_id) if is_job_id(job_id) else None
        if job is None:
            return answers.error(404, "not_found_error", "item_not_found", "No job of this id.")
        seconds = preferred_wait(request.header("Prefer"))
        waited = (
            None if seconds is None or job.tracking is not Tracking.ACTIVE else self.waiting_room.wait(job, seconds)
        )
        if waited is None:
            return answers.job(job, _base_url(request))
        return answers.job(waited, _base_url(request), {"Preference-Applied": f"wait={seconds}"})

    def _list(self, request: HttpRequest, connection: str) -> Answer:
        try:
            page = Page.model_validate(request.query)
        except ValidationError as error:
            problems = "; ".join(f"{e['loc'][0]}: {e['msg']}" for e in error.errors(include_input=False))
            raise _BadRequest(problems) from None
        jobs = self.store.jobs(connection, limit=page.limit, offset=page.offset)
        quota = self.store.quota(connection, since=self.now() - QUOTA_WINDOW)
        return answers.jobs(jobs, quota, _base_url(request))


def _is_repetition(request: HttpRequest) -> bool:
    """Whether an official SDK repeats a request by itself: it counts, but sends no idempotency key."""
    return request.header("x-stainless-retry-count") not in {None, "0"}


def _body(request: HttpRequest) -> dict[str, Any]:
    raw = request.body
    if not raw:
        # Finch's reference requires a type in a body, but no body; and there is one type.
        return {"type": DATA_SYNC_ALL}
    if len(raw) > MAX_BODY_BYTES:
        raise _BadRequest(f"body: larger than {MAX_BODY_BYTES} bytes", 413)
    try:
        parsed = json.loads(
            base64.b64decode(raw, validate=True) if request.is_base64 else raw, parse_constant=_no_such_number
        )
    except (ValueError, RecursionError):
        raise _BadRequest("body: not JSON") from None
    if not isinstance(parsed, dict):
        raise _BadRequest("body: must be a JSON object")
    if _is_deeper(parsed, MAX_BODY_DEPTH):
        raise _BadRequest(f"body: nested deeper than {MAX_BODY_DEPTH} levels")
    return parsed


def _no_such_number(name: str) -> None:
    """Refuse what Python takes for a number, but JSON does not: NaN and the infinities."""
    raise ValueError(name)


def _is_deeper(value: object, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    children = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(child, levels - 1) for child in children)


def _base_url(request: HttpRequest) -> str:
    """The address that this caller knows this API by: what comes before the resource's path."""
    context = request.context
    # SAM's emulator gives the resource's template as the path, and has no stage in its addresses.
    prefix = context.path.removesuffix(request.path) if context.path.endswith(request.path) else ""
    if context.domain_name is not None:
        return f"https://{context.domain_name}{prefix}"
    return f"http://{request.header('Host')}{prefix}"


def _unauthorized() -> Answer:
    return answers.error(
        401,
        "invalid_token_error",
        "invalid_token",
        "This caller token opens no connection.",
        answers.DO_NOT_RETRY | {"WWW-Authenticate": "Bearer"},
    )


def _rendered(request: HttpRequest, answer: Answer) -> dict[str, Any]:
    return {
        "statusCode": answer.status,
        "headers": {
            "Content-Type": "application/json",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "X-Request-Id": request.context.request_id,
            **answer.headers,
        },
        "body": answer.body,
        "isBase64Encoded": False,
    }
