"""The events that Finch tells by webhook, and how it signs them. Pure.

Finch developer guide, "Webhooks".
"""

import base64
import hashlib
import hmac
import math
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from finch_sandbox.jobs import Job

JOB_COMPLETED = "job.data_sync_all.completed"
"""Sent when a job ended, whether it succeeded or failed."""

TEST = "test"
"""What the dashboard sends on request."""

_KSUID_LENGTH = 27
_BASE62 = string.digits + string.ascii_letters


def _event_id() -> str:
    return "msg_" + "".join(secrets.choice(_BASE62) for _ in range(_KSUID_LENGTH))


@dataclass(frozen=True)
class Event:
    """Something that happened to a connection."""

    connection: str
    event_type: str
    data: dict[str, JsonValue]
    job_id: str | None = None
    event_id: str = field(default_factory=_event_id)


def job_completed(job: Job, job_url: str) -> Event:
    """The event of a job's end. It does not say how the job ended."""
    return Event(job.connection, JOB_COMPLETED, {"job_id": job.job_id, "job_url": job_url}, job.job_id)


def dashboard_test(connection: str) -> Event:
    """The dashboard's test. What its data holds is not published."""
    return Event(connection, TEST, {})


@dataclass(frozen=True)
class Delivery:
    """An event on its way to one address, until it is taken or given up. Times are seconds since the epoch."""

    number: int
    event_id: str
    connection: str
    event_type: str
    job_id: str | None
    url: str
    body: str
    failures: int
    due_at: float


def signed_headers(event_id: str, body: str, at: float, webhook_secrets: Sequence[str]) -> dict[str, str]:
    """The headers of one delivery: its signatures, one for each secret in use, are of the moment it is sent."""
    timestamp = str(math.floor(at))
    message = f"{event_id}.{timestamp}.{body}".encode()
    signatures = (hmac.new(base64.b64decode(secret), message, hashlib.sha256).digest() for secret in webhook_secrets)
    return {
        "Content-Type": "application/json",
        "Finch-Event-Id": event_id,
        "Finch-Timestamp": timestamp,
        "Finch-Signature": " ".join(f"v1,{base64.b64encode(each).decode()}" for each in signatures),
    }
