"""What callers are told, in Finch's words and shapes. Pure.

Errors have the shape of Finch's own: ``code``, ``name``, ``finch_code``, ``message`` (Finch developer guide, "Error
Types"). Finch's SDKs repeat a request on 408, 409, 429 and 5xx; ``x-should-retry`` tells them where that is of no use.
"""

import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from finch_sync.finch import Quota, QuotaExhausted, Refused
from finch_sync.jobs import Job
from finch_sync.ledger import Answer

DO_NOT_RETRY = {"x-should-retry": "false"}
TRACKING_HEADER = "Finch-Sync-Tracking"


def enqueued(job_id: str | None, quota: Quota, base_url: str | None, request_id: str | None = None) -> Answer:
    """The answer to an enqueue (Finch API reference, "Enqueue a new sandbox job").

    ``job_id`` and ``job_url`` are null for an assisted connection. Refreshes that Finch did not tell are left out.
    """
    told = {"allowed_refreshes": quota.allowed, "remaining_refreshes": quota.remaining}
    return _json(
        200,
        {
            "job_id": job_id,
            "job_url": None if job_id is None or base_url is None else job_url(base_url, job_id),
            **{name: count for name, count in told.items() if count is not None},
        },
        _finch_request_id(request_id),
    )


def job(record: Job, base_url: str, headers: Mapping[str, str] | None = None) -> Answer:
    """A job (Finch API reference, "Retrieve an Automated Job"); whether it is still followed is a header of ours."""
    return _json(200, _job_body(record, base_url), {TRACKING_HEADER: record.tracking} | dict(headers or {}))


def jobs(records: list[Job], quota: Quota | None, base_url: str) -> Answer:
    """A page of jobs (Finch API reference, "List automated jobs")."""
    quotas = None
    if quota is not None:
        quotas = {"data_sync_all": {"allowed_refreshes": quota.allowed, "remaining_refreshes": quota.remaining}}
    return _json(
        200,
        {
            "data": [_job_body(record, base_url) for record in records],
            "meta": {} if quotas is None else {"quotas": quotas},
        },
    )


def job_url(base_url: str, job_id: str) -> str:
    """Where this API tells about a job."""
    return f"{base_url}/jobs/automated/{job_id}"


def error(code: int, name: str, finch_code: str, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """An error of our own, in Finch's shape."""
    return _json(code, {"code": code, "name": name, "finch_code": finch_code, "message": message}, headers)


def refused(refusal: Refused, now: datetime) -> Answer:
    """Finch's own refusal, handed on."""
    headers = _finch_request_id(refusal.request_id)
    if isinstance(refusal, QuotaExhausted):
        # The hour may not be slept in a client: the Node and Java SDKs would, on a Retry-After alone.
        if refusal.retry_at is not None:
            headers["Retry-After"] = str(max(1, math.ceil((refusal.retry_at - now).total_seconds())))
        return _json(429, refusal.body, headers | DO_NOT_RETRY)
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(refusal.retry_after))
    # A redirect or an odd status is the upstream's fault, not this caller's.
    code = refusal.status if 400 <= refusal.status < 500 or refusal.status == 501 else 502
    return error(
        code,
        refusal.name or "upstream_error",
        refusal.finch_code or "refused_by_finch",
        f"Finch refused: {refusal.message or 'no reason given'}"[:500],
        headers | DO_NOT_RETRY,
    )


def paused(seconds: float) -> Answer:
    """Finch has blocked this address for a while."""
    return error(
        429,
        "rate_limit_exceeded_error",
        "finch_api_ip_rl",
        "Finch has paused this service's address. Nothing was sent; try again later.",
        {"Retry-After": str(math.ceil(seconds))} | DO_NOT_RETRY,
    )


def not_reached() -> Answer:
    """No connection to Finch: nothing happened, and the same request may simply be made again."""
    return error(
        503,
        "service_unavailable_error",
        "finch_unreachable",
        "Finch cannot be reached. Nothing was sent; try again.",
        {"Retry-After": "5"},
    )


def unknown() -> Answer:
    """The POST's answer was lost. The next request for this connection finds out first."""
    return error(
        503,
        "service_unavailable_error",
        "outcome_unknown",
        "Finch's answer was lost. The outcome is being looked into; ask again with the same Idempotency-Key.",
        {"Retry-After": "5"},
    )


def given_up() -> Answer:
    """Both POSTs' answers were lost, and Finch lists no job of theirs."""
    return error(
        502,
        "bad_gateway_error",
        "finch_gave_no_answer",
        "Finch answered neither of two attempts and lists no job of theirs.",
        DO_NOT_RETRY,
    )


def in_flight() -> Answer:
    """The first request of this key, or another one of this connection, is still under way."""
    return error(
        409,
        "conflict_error",
        "request_in_flight",
        "Another request for this connection is under way. Try again in a moment.",
        {"Retry-After": "1", "x-should-retry": "true"},
    )


def key_reused() -> Answer:
    """The key came before, with another body."""
    return error(
        409,
        "conflict_error",
        "idempotency_key_reused",
        "This Idempotency-Key was used with another body.",
        DO_NOT_RETRY,
    )


def webhook_received() -> Answer:
    """Finch need not send it again."""
    return _json(200, {"received": True})


def webhook_refused() -> Answer:
    """Whatever was wrong with it, the answer is the same."""
    return error(401, "unauthorized_request_error", "webhook_refused", "This is not a webhook that Finch just sent.")


def method_not_allowed(allowed: str) -> Answer:
    """The path is there, but not for this method."""
    return error(
        405,
        "method_not_allowed_error",
        "method_not_allowed",
        f"This endpoint takes {allowed}.",
        {"Allow": allowed},
    )


def _job_body(record: Job, base_url: str) -> dict[str, Any]:
    # What is not known is left out, as Finch's own second example does: its schema has no nulls in OpenAPI 3.1.
    return {"job_id": record.job_id, "job_url": job_url(base_url, record.job_id)} | record.model_dump(
        include={"type", "status", "created_at", "scheduled_at", "started_at", "completed_at", "params"},
        exclude_none=True,
    )


def _finch_request_id(request_id: str | None) -> dict[str, str]:
    return {} if request_id is None else {"Finch-Request-Id": request_id}


def _json(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status=status, body=json.dumps(body, separators=(",", ":")), headers=dict(headers or {}))
