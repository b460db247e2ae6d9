"""Sends events to the addresses that the settings name, and sends them again until they are taken or given up.

Events and deliveries are in the store: one that a killed sandbox was about to send is sent by the next.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event as Signal
from threading import Thread

import urllib3

from finch_sandbox import bodies, webhooks
from finch_sandbox.jobs import Job
from finch_sandbox.ledger import Attempt
from finch_sandbox.settings import SettingsBook
from finch_sandbox.store import Store
from finch_sandbox.webhooks import Delivery, Event

_AT_ONCE = 8
_LONGEST_SLEEP = 3600.0


class Postman:
    """Whoever sends webhooks. Its clock tells seconds since the epoch."""

    def __init__(self, store: Store, settings: SettingsBook, clock: Callable[[], float]) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._news = Signal()
        self._connections = urllib3.PoolManager(retries=False, maxsize=_AT_ONCE)

    def expect_end(self, job: Job, job_url: str) -> None:
        """Sees to it that the job's end will be told, to whom the settings name then."""
        self._store.expect_end(job.job_id, job.ends_at, job_url)
        self._news.set()

    def send_test(self, connection: str) -> str:
        """Sends the dashboard's test event; its id."""
        event = webhooks.dashboard_test(connection)
        self._address(event, self._clock())
        self._news.set()
        return event.event_id

    def deliver_due(self) -> None:
        """Makes every delivery that is due by now, with the repetitions that are due at once; for clocks that stand."""
        while due := [each for each in self._open() if each.due_at <= self._clock()]:
            for delivery in due:
                self._attempt(delivery)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Makes every delivery when it is due, as long as the block lasts; for clocks that run."""
        leaving = Signal()
        worker = Thread(target=self._work, args=(leaving,), name="finch-sandbox-postman", daemon=True)
        worker.start()
        try:
            yield
        finally:
            leaving.set()
            self._news.set()
            worker.join()

    def _work(self, leaving: Signal) -> None:
        under_way: dict[int, Future[None]] = {}
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            while not leaving.is_set():
                self._news.clear()
                # In this order: a delivery that is no longer under way is read as its attempt left it.
                under_way = {number: attempt for number, attempt in under_way.items() if not attempt.done()}
                idle = [each for each in self._open() if each.number not in under_way]
                now = self._clock()
                for delivery in idle:
                    if delivery.due_at <= now:
                        under_way[delivery.number] = threads.submit(self._attempt, delivery)
                        under_way[delivery.number].add_done_callback(lambda _: self._news.set())
                later = [each.due_at for each in idle if each.due_at > now]
                moments = [*later, *self._store.next_end()]
                self._news.wait(min([_LONGEST_SLEEP, *(max(0.0, moment - now) for moment in moments)]))
            threads.shutdown(cancel_futures=True)

    def _open(self) -> list[Delivery]:
        with self._store.transaction():
            for job, job_url in self._store.take_ended(self._clock()):
                self._address(webhooks.job_completed(job, job_url), job.ends_at)
            return self._store.deliveries()

    def _address(self, event: Event, at: float) -> None:
        settings = self._settings.of(event.connection)
        body = json.dumps(bodies.event(event), separators=(",", ":"))
        for url in settings.webhook_urls:
            for _ in range(1 + settings.webhook_duplicates):
                self._store.add_delivery(event, body, url, at + settings.webhook_delay_seconds)

    def _attempt(self, delivery: Delivery) -> None:
        settings = self._settings.of(delivery.connection)
        at = self._clock()
        headers = webhooks.signed_headers(delivery.event_id, delivery.body, at, settings.webhook_secrets)
        status, error = self._send(delivery, headers, settings.webhook_timeout_seconds)
        attempt = Attempt(
            at=at,
            event_id=delivery.event_id,
            event_type=delivery.event_type,
            connection=delivery.connection,
            job_id=delivery.job_id,
            url=delivery.url,
            attempt=delivery.failures + 1,
            headers=headers,
            body=delivery.body,
            status=status,
            error=error,
        )
        taken = status is not None and 200 <= status < 300
        pauses = settings.webhook_retry_after_seconds
        retry_at = None if taken or delivery.failures >= len(pauses) else self._clock() + pauses[delivery.failures]
        self._store.settle(delivery, attempt, retry_at)

    def _send(self, delivery: Delivery, headers: dict[str, str], timeout: float) -> tuple[int | None, str | None]:
        try:
            answer = self._connections.request(
                "POST", delivery.url, body=delivery.body.encode(), headers=headers, timeout=timeout, redirect=False
            )
        except urllib3.exceptions.HTTPError as failure:
            return None, type(failure).__name__
        return answer.status, None
