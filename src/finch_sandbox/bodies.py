"""JSON bodies of Finch's answers and webhooks.

Finch API reference: Sandbox, Automated Jobs, Introspect. Finch developer guide: Webhooks.
"""

import math
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from pydantic import JsonValue

from finch_sandbox import errors, quota
from finch_sandbox.connections import Caller
from finch_sandbox.jobs import Job
from finch_sandbox.settings import Settings, TerminalStatus
from finch_sandbox.times import rfc3339
from finch_sandbox.webhooks import Event


def refreshes(window: quota.Window, settings: Settings) -> dict[str, JsonValue]:
    """How many refreshes the window allows, and how many it has left."""
    left = quota.remaining(window, settings)
    return {"allowed_refreshes": settings.allowed_refreshes, "remaining_refreshes": left}


def job_reference(job: Job, settings: Settings, base_url: str) -> dict[str, JsonValue]:
    """The part of POST /sandbox/jobs's answer that says which job it is."""
    return {"job_id": job.job_id, "job_url": job_url(job, settings, base_url)}


def job_url(job: Job, settings: Settings, base_url: str) -> str:
    """Where a job is to be looked at, as its maker and its webhook are told."""
    return _job_url(job, settings, base_url, "jobs")


def event(of: Event) -> dict[str, JsonValue]:
    """What every delivery of an event's webhook carries."""
    return {**_owner(of.connection), "entity_id": None, "event_type": of.event_type, "data": of.data}


def _owner(connection: str) -> dict[str, JsonValue]:
    return {f"{part}_id": _stable_uuid(f"{part}/{connection}") for part in ("company", "account", "connection")}


def retrieved_job(job: Job, settings: Settings, base_url: str, now: float) -> dict[str, JsonValue]:
    """A job as GET /jobs/automated/{job_id} and the list show it."""
    queued_at = job.created_at if settings.started_at == "created" else job.starts_at
    optional: dict[str, JsonValue] = {
        "scheduled_at": None,
        "started_at": rfc3339(queued_at, settings.timestamps) if now >= queued_at else None,
        "completed_at": rfc3339(job.ends_at, settings.timestamps) if job.ended(now) else None,
        "params": None,
    }
    if settings.empty_fields == "absent":
        optional = {name: value for name, value in optional.items() if value is not None}
    return {
        "job_id": job.job_id,
        "job_url": _job_url(job, settings, base_url, settings.job_url_of_retrieved),
        "type": "data_sync_all",
        "status": job.status(now),
        "created_at": rfc3339(job.created_at, settings.timestamps),
        **optional,
    }


def unknown_job(job_id: str, settings: Settings) -> JsonValue:
    """The body of a job's 404; none is an empty one."""
    body: dict[str, Any] = errors.unknown_job(job_id).body()
    if settings.unknown_job_body == "without_finch_code":
        del body["finch_code"]
    return None if settings.unknown_job_body == "empty" else body


def quota_used_up(window: quota.Window, settings: Settings) -> dict[str, JsonValue]:
    """The body of the 429 of a connection without refreshes."""
    # Rounded up: a retry at the time that was told must not come a fraction of a second too early.
    retry_at = rfc3339(math.ceil(quota.closes_at(window, settings)), settings.timestamps)
    return errors.quota_used_up(settings.allowed_refreshes, retry_at if settings.quota_retry_at == "present" else None)


def configuration(status: TerminalStatus) -> dict[str, JsonValue]:
    """How later jobs end, as GET and PUT /sandbox/jobs/configuration show it."""
    return {"type": "data_sync_all", "completion_status": status}


def introspection(caller: Caller, status: str, synced_at: float | None, settings: Settings) -> dict[str, JsonValue]:
    """What GET /introspect says of a connection: its status, and when a sync last succeeded."""
    assisted = caller.kind == "assisted"
    connection_status: dict[str, JsonValue] = {
        "status": status,
        "last_successful_sync": None if synced_at is None else rfc3339(synced_at, settings.timestamps),
    }
    products: list[JsonValue] = ["company", "directory", "individual", "employment", "payment", "pay_statement"]
    method: dict[str, JsonValue] = {
        "type": "assisted" if assisted else "credential",
        "connection_status": connection_status,
        "products": products,
    }
    return {
        "id": _stable_uuid(f"token/{caller.token}"),
        "client_id": _stable_uuid("client"),
        "client_type": "sandbox",
        **_owner(caller.connection),
        "connection_status": connection_status,
        "connection_type": "finch",
        "provider_id": "gusto",
        "payroll_provider_id": "gusto",
        "products": products,
        "authentication_methods": [method],
        "customer_id": caller.connection,
        "customer_name": caller.connection,
        "customer_email": None,
        "username": "good_user",
        "manual": assisted,
    }


def _stable_uuid(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"finch-sandbox/{name}"))


def _job_url(job: Job, settings: Settings, base_url: str, first_word: str) -> str:
    return f"{(settings.job_url_base or base_url).rstrip('/')}/{first_word}/automated/{job.job_id}"
