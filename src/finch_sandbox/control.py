"""What tests and operators do to the sandbox from outside; none of it is Finch's."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from finch_sandbox.connections import Connections
from finch_sandbox.faults import FaultBook
from finch_sandbox.finch import Finch
from finch_sandbox.store import ConnectionKind
from finch_sandbox.times import rfc3339


class ConnectionChange(BaseModel):
    """What to do with a connection's token: add the connection, replace its token, or leave it without one."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["add", "rotate", "revoke"] = "add"
    name: str
    kind: ConnectionKind | None = None
    token: str | None = None


class TestWebhook(BaseModel):
    """Of which connection the dashboard's test event is to be."""

    model_config = ConfigDict(extra="forbid")

    connection: str


class Control:
    """Settings, faults, connections, ledger and reset, over HTTP (`control_routes`) or in the process."""

    def __init__(self, finch: Finch, connections: Connections, faults: FaultBook) -> None:
        self.finch = finch
        self.connections = connections
        self.faults = faults

    def patch_settings(self, change: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """Changes settings from now on. A completion_status in it replaces what was configured through Finch's API."""
        self.finch.settings.patch(change)
        if "completion_status" in change:
            self.finch.store.drop_configurations()
        by_connection = change.get("connections")
        for connection, own in (by_connection if isinstance(by_connection, dict) else {}).items():
            if isinstance(own, dict) and "completion_status" in own:
                self.finch.drop_configuration(connection)
        return self.finch.settings.as_json()

    def change_connection(self, change: ConnectionChange) -> dict[str, JsonValue]:
        """Adds a connection, or replaces or revokes its token; what it has then.

        Raises:
            KeyError: There is no such connection to rotate or revoke.
        """
        if change.action == "rotate":
            connection = self.connections.rotate(change.name, change.token)
        elif change.action == "revoke":
            connection = self.connections.revoke(change.name)
        else:
            connection = self.connections.add(change.name, change.kind, change.token)
        return connection._asdict()

    def tokens_and_kinds(self) -> dict[str, JsonValue]:
        """Token and kind of each connection."""
        return {name: {"token": token, "kind": kind} for name, kind, token in self.connections.all()}

    def ledger(self, after: int = 0) -> dict[str, Any]:
        """Requests with a number above the given one, all jobs and all deliveries of webhooks; oldest first."""
        now = self.finch.clock()
        return {
            "requests": [
                {**entry.model_dump(), "at": rfc3339(entry.at, "milliseconds")}
                for entry in self.finch.store.entries(after)
            ],
            "jobs": [
                {
                    "job_id": job.job_id,
                    "connection": job.connection,
                    "status": job.status(now),
                    "completion_status": job.completion_status,
                    "created_at": rfc3339(job.created_at, "milliseconds"),
                    "ends_at": rfc3339(job.ends_at, "milliseconds"),
                }
                for job in reversed(self.finch.store.jobs())
            ],
            "webhooks": [
                {**attempt.model_dump(), "at": rfc3339(attempt.at, "milliseconds")}
                for attempt in self.finch.store.attempts()
            ],
        }

    def send_test_webhook(self, connection: str) -> str:
        """Sends the event that Finch's dashboard sends to try an address; its id.

        Raises:
            KeyError: There is no such connection.
        """
        return self.finch.postman.send_test(self.connections.named(connection).name)

    def reset(self) -> None:
        """Forgets jobs, quotas, webhooks, ledger, faults and changed settings; connections and tokens stay."""
        self.finch.store.forget()
        self.faults.clear()
        self.finch.settings.reset()
