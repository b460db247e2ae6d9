"""A worker that dies at a chosen moment: just before, or just after, any one of the calls that it makes."""

from collections.abc import Callable
from typing import Any, TypeVar

from finch_sync.connections import Connections
from finch_sync.executions import Executions
from finch_sync.finch import Enqueued, Finch, Listing
from finch_sync.jobs import Report
from finch_sync.store import Store
from tests.world import World, aws

T = TypeVar("T")


class Crash(BaseException):
    """The process is gone. No `except Exception` may survive it."""


class Moments:
    """Counts the moments before and after each outbound call, and crashes at one of them."""

    def __init__(self, crash_at: int | None = None) -> None:
        self.crash_at = crash_at
        self.passed: list[str] = []

    def reach(self, moment: str) -> None:
        self.passed.append(moment)
        if self.crash_at == len(self.passed) - 1:
            raise Crash(moment)


class _MortalFinch(Finch):
    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.moments = Moments()

    def enqueue(self, token: str) -> Enqueued:
        return self._lived("POST", lambda: super(_MortalFinch, self).enqueue(token))

    def job(self, token: str, job_id: str) -> Report:
        return self._lived("GET job", lambda: super(_MortalFinch, self).job(token, job_id))

    def jobs(self, token: str, limit: int = 25) -> Listing:
        return self._lived("GET jobs", lambda: super(_MortalFinch, self).jobs(token, limit))

    def _lived(self, call: str, make: Callable[[], T]) -> T:
        self.moments.reach(f"before {call}")
        try:
            return make()
        finally:
            self.moments.reach(f"after {call}")


class Mortality:
    """Clients through which a worker can die; made once, since making them is slow."""

    def __init__(self, endpoint_url: str, finch_url: str) -> None:
        self._clients = aws(endpoint_url)
        self._finch = _MortalFinch(finch_url)
        for client in (self._clients.dynamodb, self._clients.stepfunctions, self._clients.secretsmanager):
            client.meta.events.register("before-call", self._before)
            client.meta.events.register("after-call", self._after)

    def worker(self, world: World, moments: Moments) -> World:
        """The same world, seen by a worker that dies at its moment."""
        self._finch.moments = moments
        worker = world.another()
        worker.store = Store(self._clients.dynamodb, world.table)
        worker.executions = Executions(self._clients.stepfunctions, world.aws.state_machine_arn)
        worker.connections = Connections(self._clients.secretsmanager, world.secret, world.clock.timestamp)
        worker.finch = self._finch
        return worker

    def _before(self, model: Any, **_: object) -> None:
        self._finch.moments.reach(f"before {model.name}")

    def _after(self, model: Any, **_: object) -> None:
        self._finch.moments.reach(f"after {model.name}")
