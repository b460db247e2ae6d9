"""A tick of the schedule, or a direct invocation: a job for each of many connections, each on its own."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from aws_lambda_powertools import Logger

from finch_sync.clock import Clock
from finch_sync.connections import Connections
from finch_sync.enqueue import Enqueuer, NotYet
from finch_sync.jobs import DATA_SYNC_ALL
from finch_sync.ledger import Request, Source, fingerprint
from finch_sync.metrics import Metric, record
from finch_sync.store import Store, Taken

logger = Logger(child=True)

WORKERS = 8
"""How many connections are served at once, by one invocation."""

STARTS_PER_MINUTE = 10
"""How many jobs a tick starts in a minute; the sweep starts the rest, in the minutes after.

A job costs the POST and about 15 looks while nothing is known of its connection. So many starts a minute keep every 5
minutes under the 1,000 requests after which Finch blocks an address for an hour (Finch developer guide, "Rate
Limits"), with a quarter to spare for 1,000 connections: `make scale`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduler:
    """Enqueues jobs that nobody waits for."""

    store: Store
    connections: Connections
    enqueuer: Enqueuer
    now: Clock
    time_left: Callable[[], float]

    def run(self, source: Source, key: str, names: Sequence[str]) -> dict[str, str]:
        """Enqueue a job for each connection named, or for all of them.

        Every request is written down before the first is sent. What does not get its turn now, because of the spread
        or because time runs out, is left to the sweep; a redelivery finds what is there and adds nothing.

        Returns:
            What came of each connection's request, for the log and for whoever invoked directly.
        """
        wanted = list(dict.fromkeys(names)) or self.connections.names()
        outcomes = dict.fromkeys(set(wanted) - set(self.connections.names()), "unknown connection")
        for name in sorted(outcomes):
            logger.error("connection not in the secret", connection=name)
        known = [name for name in wanted if name not in outcomes]
        with ThreadPoolExecutor(WORKERS) as pool:
            claimed = list(pool.map(lambda numbered: self._claim(source, key, *numbered), enumerate(known)))
            for request, outcome in zip(claimed, pool.map(self._serve, claimed), strict=True):
                outcomes[request.connection] = outcome
        return outcomes

    def _claim(self, source: Source, key: str, position: int, name: str) -> Request:
        now = self.now()
        request = Request(
            connection=name,
            key=key,
            source=source,
            fingerprint=fingerprint({"type": DATA_SYNC_ALL}),
            created_at=now,
            due_at=now + timedelta(minutes=position // STARTS_PER_MINUTE),
        )
        match self.store.claim(request):
            case Taken(existing):
                return existing
            case _:
                return request

    def _serve(self, request: Request) -> str:
        if request.due_at > self.now() and not request.ended:
            return f"due at {request.due_at:%H:%M:%S}"
        return serve(self.enqueuer, request, self.time_left)


def serve(enqueuer: Enqueuer, request: Request, time_left: Callable[[], float]) -> str:
    """Take one request as far as it goes; its failure is its own."""
    # A look can take two calls to Finch and as many to AWS. What does not fit is left for the next sweep.
    if time_left() < 40:
        return "left to the sweep"
    try:
        outcome = enqueuer.look(request)
    except Exception as error:
        logger.exception("request failed", connection=request.connection, key=request.key)
        enqueuer.leave_to_sweep(request)
        return f"failed: {type(error).__name__}"
    if isinstance(outcome, NotYet):
        return f"not yet: {outcome.answer.status}"
    record(Metric.REQUESTS, Source=outcome.source, Result=outcome.state)
    return outcome.state.value
