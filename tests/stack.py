"""One deployed stack for all tests that need one, and a connection of its own for each."""

import json
from dataclasses import dataclass
from typing import Any

import urllib3

from finch_sandbox.faults import Fault, FaultRule, Match
from local_aws.finch import Sandbox
from local_aws.stack import Stack

SCHEDULED = "scheduled"
SANDBOX = Sandbox(
    automated=("acme", "globex", SCHEDULED, *(f"place-{number}" for number in range(120))),
    assisted=("initech-assisted",),
    settings={"pending_seconds": 1, "in_progress_seconds": 1},
)
TELLING_SANDBOX = Sandbox(
    automated=(*(f"told-{number}" for number in range(10)), *(f"many-{number}" for number in range(200))),
    assisted=(),
    settings={"pending_seconds": 1, "in_progress_seconds": 2},
    webhooks=True,
)


@dataclass(frozen=True)
class Place:
    """A connection that no other test uses: what its caller knows, and Finch's side of it."""

    stack: Stack
    connection: str

    @property
    def api_url(self) -> str:
        return self.stack.api_url

    @property
    def caller_token(self) -> str:
        return self.stack.connections[self.connection]

    def patch(self, **settings: Any) -> None:
        """Change the sandbox's settings, for this connection."""
        self._control("PATCH", "settings", {"connections": {self.connection: settings}})

    def add_fault(self, fault: Fault, *, method: str | None = None, times: int | None = 1) -> None:
        """Put a fault in force, for this connection."""
        rule = FaultRule(match=Match(method=method, connection=self.connection), fault=fault, times=times)
        self._control("POST", "faults", rule.model_dump(mode="json"))

    def posts(self) -> int:
        """How many POSTs reached Finch."""
        seen = self._control("GET", "ledger")["requests"]
        return sum(each["method"] == "POST" and each["connection"] == self.connection for each in seen)

    def jobs_made(self) -> list[str]:
        """The jobs that Finch made, by its own word."""
        return [j["job_id"] for j in self._control("GET", "ledger")["jobs"] if j["connection"] == self.connection]

    def ledger(self) -> Any:
        """All that Finch saw and did, for all connections."""
        return self._control("GET", "ledger")

    def send_test_webhook(self) -> str:
        """Has Finch send its dashboard's test event; the event's id."""
        event_id: str = self._control("POST", "webhooks/test", {"connection": self.connection})["event_id"]
        return event_id

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        answer = urllib3.request(
            method, f"{self.stack.finch_url}/_sandbox/{path}", body=None if body is None else json.dumps(body)
        )
        assert answer.status < 300, answer.data
        return answer.json()
