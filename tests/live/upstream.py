"""A Finch to be held to the contract: the real one, or a local sandbox in its role."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import urllib3

from finch_sync.finch import API_VERSION, Finch

_HTTP = urllib3.PoolManager(retries=False, timeout=30)
_client = cache(Finch)
"""One for each address: making its TLS context takes longer than all that a test asks of a local sandbox."""

JOB_SECONDS = 900
"""How long a job may take before we stop looking. None is published."""


@dataclass(frozen=True)
class Reply:
    """What came back: status, headers with lower-case names, and the JSON of the body if it is any."""

    status: int
    headers: dict[str, str]
    body: Any

    def field(self, name: str) -> Any:
        """A field of a JSON object, or None."""
        return self.body.get(name) if isinstance(self.body, dict) else None


@dataclass
class Upstream:
    """One Finch, one connection on it, and how time passes there.

    Attributes:
        patience: Seconds to wait for the next quota window, each time that the quota is used up. With none, what needs
            another refresh is left out.
        other_token: A token of another connection, for what one may see of another.
        assisted_token: A token of an assisted connection.
    """

    url: str
    token: str = field(repr=False)
    other_token: str | None = field(default=None, repr=False)
    assisted_token: str | None = field(default=None, repr=False)
    patience: float = 0
    now: Callable[[], float] = time.time
    wait: Callable[[float], None] = time.sleep
    hints: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.client = _client(self.url)

    @classmethod
    def from_environment(cls) -> "Upstream":
        """The one that FINCH_URL, FINCH_TOKEN and their companions name."""
        return cls(
            os.environ.get("FINCH_URL") or "https://api.tryfinch.com",
            os.environ["FINCH_TOKEN"],
            os.environ.get("FINCH_OTHER_TOKEN") or None,
            os.environ.get("FINCH_ASSISTED_TOKEN") or None,
            float(os.environ.get("PATIENCE") or 0),
        )

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        version: str | None = API_VERSION,
    ) -> Reply:
        """Send one request, with nothing added and nothing repeated."""
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"}
        if version is not None:
            headers["Finch-API-Version"] = version
        answer = _HTTP.request(
            method, self.url.rstrip("/") + path, body=None if body is None else json.dumps(body), headers=headers,
            redirect=False,
        )  # fmt: skip
        found = {name.lower(): value for name, value in answer.headers.items()}
        self.hints |= {name for name in found if "ratelimit" in name or "retry" in name}
        try:
            parsed = json.loads(answer.data)
        except ValueError:
            parsed = None
        return Reply(answer.status, found, parsed)

    def enqueue(self, *, token: str | None = None) -> Reply:
        """Enqueue a job; wait for the next window if the quota is used up and there is patience for it."""
        reply = self.call("POST", "/sandbox/jobs", {"type": "data_sync_all"}, token=token)
        retry_at = reply.field("retry_at")
        if reply.status == 429 and retry_at and 0 < (left := self._until(retry_at)) <= self.patience:
            self.wait(left + 1)
            reply = self.call("POST", "/sandbox/jobs", {"type": "data_sync_all"}, token=token)
        return reply

    def configure(self, status: str) -> Reply:
        """Say how later jobs end."""
        return self.call("PUT", "/sandbox/jobs/configuration", {"type": "data_sync_all", "completion_status": status})

    def job(self, job_id: str, *, token: str | None = None) -> Reply:
        """Look at a job."""
        return self.call("GET", f"/jobs/automated/{job_id}", token=token)

    def follow(self, job_id: str) -> list[Reply]:
        """Look at a job until it has ended, or cannot be seen any more; every look."""
        until, looks = self.now() + JOB_SECONDS, [self.job(job_id)]
        while looks[-1].field("status") in {"pending", "in_progress"} and self.now() < until:
            self.wait(1)
            looks.append(self.job(job_id))
        return looks

    def _until(self, retry_at: str) -> float:
        return datetime.fromisoformat(retry_at).timestamp() - self.now()
