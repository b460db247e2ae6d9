"""The event that says how a job ended. The state machine sends it, so that its delivery is retried.

Whoever sends it twice sends the same id, so that a consumer can drop the second.
"""

import json
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict

from finch_sync.clock import Moment
from finch_sync.jobs import Job, Tracking
from finch_sync.models import Model

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

SOURCE = "finch-sync"

DetailType = Literal[
    "Finch Sync Completed", "Finch Sync Failed", "Finch Sync Action Required", "Finch Sync Tracking Lost"
]

ACTIONS = {"reauth_error": "reauthenticate the connection", "permissions_error": "grant the missing permissions"}
"""What a person must do, by Finch's final word (Finch API reference, "Retrieve an Automated Job")."""


class Detail(Model):
    """The event's detail. Fields may be added to version 1, never changed or taken away."""

    model_config = ConfigDict(frozen=True)

    version: Literal["1"] = "1"
    id: str
    connection: str
    job_id: str
    status: str
    tracking: Tracking
    reason: str | None = None
    action: str | None = None
    polls: int
    accepted_at: Moment
    started_at: Moment | None = None
    completed_at: Moment | None = None


class Announcement(Model):
    """An event as the state machine hands it to EventBridge."""

    model_config = ConfigDict(frozen=True)

    detail_type: DetailType
    detail: str


def announcement(job: Job) -> Announcement:
    """The event for a job that is followed no more."""
    detail = Detail(
        id=f"{job.job_id}.{job.tracking}",
        connection=job.connection,
        job_id=job.job_id,
        status=job.status,
        tracking=job.tracking,
        reason=job.tracking_reason,
        action=ACTIONS.get(job.status) if job.tracking is Tracking.DONE else None,
        polls=job.polls,
        accepted_at=job.accepted_at,
        started_at=job.started_at,
        completed_at=job.completed_at,
    )
    return Announcement(detail_type=_detail_type(job), detail=detail.model_dump_json())


def _detail_type(job: Job) -> DetailType:
    if job.tracking is not Tracking.DONE:
        return "Finch Sync Tracking Lost"
    if job.status in ACTIONS:
        return "Finch Sync Action Required"
    return "Finch Sync Completed" if job.status == "complete" else "Finch Sync Failed"


class Announcer:
    """Sends an announcement for which there is no execution left."""

    def __init__(self, client: "EventBridgeClient", bus: str) -> None:
        self._client = client
        self._bus = bus

    def send(self, announced: Announcement) -> None:
        """Send it.

        Raises:
            AnnouncementFailed: EventBridge did not take it.
        """
        entry: dict[str, Any] = {
            "EventBusName": self._bus,
            "Source": SOURCE,
            "DetailType": announced.detail_type,
            "Detail": announced.detail,
        }
        answer = self._client.put_events(Entries=[entry])  # type: ignore[list-item] # a plain dict is what it takes
        if answer["FailedEntryCount"]:
            raise AnnouncementFailed(json.dumps(answer["Entries"]))


class AnnouncementFailed(Exception):
    """EventBridge did not take an event."""
