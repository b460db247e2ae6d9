"""What Finch saw and did: one entry for each request, kept apart from what the client was told; one for each webhook.

Entries are in the order in which Finch was done with the requests.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Effect = Literal["none", "job_created", "job_attached", "configured"]


class Entry(BaseModel):
    """One request as it was received, what it changed, and what was done to its answer."""

    model_config = ConfigDict(frozen=True)

    number: int = 0
    at: float
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: str
    connection: str | None
    request_id: str
    effect: Effect
    job_id: str | None
    status: int | None
    """The HTTP status of the answer; none if no whole answer was sent."""
    fault: str | None
    """The kind of the fault that was applied."""
    fault_when: Literal["before", "after"] | None
    """Whether the fault came before Finch acted, or after."""
    fault_rule: str | None


class Attempt(BaseModel):
    """One delivery of a webhook as it was sent, and what came back."""

    model_config = ConfigDict(frozen=True)

    number: int = 0
    at: float
    event_id: str
    event_type: str
    connection: str
    job_id: str | None
    url: str
    attempt: int
    """1 for the first to this address, more for its repetitions after failures."""
    headers: dict[str, str]
    body: str
    status: int | None
    """The HTTP status that came back; none if none came."""
    error: str | None
    """The kind of failure where no status came back."""
