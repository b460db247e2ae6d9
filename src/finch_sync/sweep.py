"""The sweep: finds what nobody asks about any more, and brings it on. Idempotent; two may run at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from aws_lambda_powertools import Logger

from finch_sync.clock import Clock
from finch_sync.connections import Connections, UnknownConnection
from finch_sync.enqueue import Enqueuer
from finch_sync.ledger import State
from finch_sync.metrics import Metric, record
from finch_sync.pause import Pause
from finch_sync.schedule import STARTS_PER_MINUTE, WORKERS, serve
from finch_sync.store import Due, Store
from finch_sync.tracking import Tracker

logger = Logger(child=True)

JOBS_AT_ONCE = 100
"""How many jobs one sweep sees to. They cost calls to AWS only."""

RESOLVED_WITHIN = timedelta(minutes=10)
"""How long an unknown outcome may stay so before it counts as stuck."""

JOB_EVERY = timedelta(minutes=5)
"""How often a job that runs long is looked after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeper:
    """Brings open requests and jobs to an end, or back under an execution."""

    store: Store
    connections: Connections
    enqueuer: Enqueuer
    tracker: Tracker
    pause: Pause
    now: Clock
    time_left: Callable[[], float]

    def run(self) -> dict[str, int]:
        """Look after everything that is due.

        Returns:
            How many requests and jobs were looked at.
        """
        due = list(self.store.due(self.now(), "job", JOBS_AT_ONCE))
        if self.pause.seconds_left(self.now()) == 0:
            due += self.store.due(self.now(), "request", STARTS_PER_MINUTE)
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(self._bring_on, due))
        return {kind: sum(item.kind == kind for item in due) for kind in ("request", "job")}

    def _bring_on(self, item: Due) -> None:
        try:
            if item.kind == "job":
                self.tracker.tend(item.connection, item.name, self.now() + JOB_EVERY)
            else:
                self._bring_on_request(item)
        except Exception:
            logger.exception("sweep failed", connection=item.connection, kind=item.kind, item=item.name)

    def _bring_on_request(self, item: Due) -> None:
        request = self.store.request(item.connection, item.name)
        if request is None or request.ended:
            return
        try:
            self.connections.token(item.connection)
        except UnknownConnection as error:
            self.enqueuer.abandon(request, str(error))
            return
        if request.state is State.UNKNOWN and self.now() > request.created_at + RESOLVED_WITHIN:
            record(Metric.UNRESOLVED_OUTCOMES)
        logger.info(
            "request swept",
            connection=item.connection,
            state=request.state,
            outcome=serve(self.enqueuer, request, self.time_left),
        )
