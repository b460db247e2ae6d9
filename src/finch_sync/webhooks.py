"""Finch's webhooks: which of them are genuine, and which say that a job has ended. Pure.

Finch developer guide, "Webhooks": ``Finch-Signature`` is a list of ``v1,<base64>``, one for each secret in use while
secrets are rotated; each signs ``<event id>.<timestamp>.<raw body>`` with HMAC-SHA256 under the base64-decoded secret.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import ConfigDict, StringConstraints, ValidationError

from finch_sync.models import Model

TOLERANCE = timedelta(minutes=5)
"""How far a webhook's timestamp may lie from now."""

JOB_COMPLETED = "job.data_sync_all.completed"
"""Sent when a job ended, whether it succeeded or failed."""

_VERSION = "v1"


class Forged(Exception):
    """Not Finch's, or not fresh; the text says why, and holds nothing of the webhook."""


class _Job(Model):
    model_config = ConfigDict(extra="ignore")

    job_id: str


class _Event(Model):
    model_config = ConfigDict(extra="ignore")

    event_type: str
    data: _Job


class Signature(Model):
    """The headers that make a webhook verifiable."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    event_id: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$")]
    timestamp: Annotated[str, StringConstraints(pattern=r"^\d{1,12}$")]
    signatures: Annotated[str, StringConstraints(max_length=4096)]


def verify(signature: Signature, body: bytes, secrets: Iterable[str], now: datetime) -> None:
    """Check that a webhook was sent by Finch, and just now.

    Args:
        signature: Its headers.
        body: Its body, byte for byte as it came.
        secrets: Those in use, base64; more than one while they are rotated.
        now: The present moment.

    Raises:
        Forged: It was not.
    """
    if abs(now.timestamp() - int(signature.timestamp)) > TOLERANCE.total_seconds():
        raise Forged("the timestamp is not within five minutes of now")
    message = f"{signature.event_id}.{signature.timestamp}.".encode() + body
    given = [
        value for version, _, value in (s.partition(",") for s in signature.signatures.split()) if version == _VERSION
    ]
    genuine = False
    for secret in secrets:
        expected = _signed(secret, message)
        for value in given:
            genuine |= value.isascii() and hmac.compare_digest(value, expected)
    if not genuine:
        raise Forged("no signature fits")


def completed_job(body: bytes) -> str | None:
    """The id of the job that a genuine webhook says has ended; None for every other event."""
    try:
        event = _Event.model_validate_json(body)
    except ValidationError:
        return None
    return event.data.job_id if event.event_type == JOB_COMPLETED else None


def _signed(secret: str, message: bytes) -> str:
    return base64.b64encode(hmac.new(base64.b64decode(secret), message, hashlib.sha256).digest()).decode()
