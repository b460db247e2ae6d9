"""The webhooks that the sandbox sends, as the server that they are sent to sees them."""

import base64
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any

import finch
import pytest

from finch_sandbox.server import Sandbox, running_sandbox
from finch_sandbox.settings import Settings
from finch_sandbox.webhooks import signed_headers
from tests.sandbox.conftest import START, Client, Clock
from tests.sandbox.test_command import call, command

SECRET = base64.b64encode(b"one secret of 24 bytes..").decode()
OLD_SECRET = base64.b64encode(b"the one that it replaced").decode()


@dataclass(frozen=True)
class Received:
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> Any:
        return json.loads(self.body)


@dataclass
class Listener:
    """A server for webhooks. It answers as it is told, then with 200."""

    url: str
    received: "Queue[Received]" = field(default_factory=Queue)
    answers: list[int] = field(default_factory=list)
    held: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.held.set()

    def take(self) -> Received:
        return self.received.get(timeout=20)

    def all(self) -> list[Received]:
        received = []
        while True:
            try:
                received.append(self.received.get_nowait())
            except Empty:
                return received


@pytest.fixture
def listener() -> Iterator[Listener]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            listening.received.put(Received({name.lower(): value for name, value in self.headers.items()}, body))
            listening.held.wait(20)
            self.send_response(listening.answers.pop(0) if listening.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        listening = Listener(f"http://127.0.0.1:{server.server_port}/hook")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield listening
        finally:
            listening.held.set()
            server.shutdown()
            thread.join()


@pytest.fixture
def told(sandbox: Sandbox, listener: Listener) -> Sandbox:
    sandbox.patch(webhook_urls=[listener.url], webhook_secrets=[SECRET])
    return sandbox


def ended_job(client: Client, clock: Clock) -> str:
    job_id: str = client.enqueue().json()["job_id"]
    clock.advance(6)
    return job_id


def test_the_published_vector() -> None:
    headers = signed_headers(
        "msg_2Lh9KRb0pzN4LePd3XiA4v12Axj",
        '{"company_id":"720be419-0293-4d32-a707-32179b0827ab"}',
        1676312382.9,
        ["5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH"],
    )
    assert headers["Finch-Timestamp"] == "1676312382"
    assert headers["Finch-Signature"] == "v1,m7y0TV2C+hlHxU42wCieApTSTaA8/047OAplBqxIV/s="


def test_a_jobs_end_is_told_when_it_comes(client: Client, clock: Clock, told: Sandbox, listener: Listener) -> None:
    created = client.enqueue().json()
    clock.advance(5.9)
    told.deliver_webhooks()
    assert listener.all() == []
    clock.advance(0.1)
    told.deliver_webhooks()
    (received,) = listener.all()
    introspected = client.call("GET", "/introspect").json()
    assert received.event == {
        "company_id": introspected["company_id"],
        "account_id": introspected["account_id"],
        "connection_id": introspected["connection_id"],
        "entity_id": None,
        "event_type": "job.data_sync_all.completed",
        "data": {"job_id": created["job_id"], "job_url": created["job_url"]},
    }
    assert received.headers["content-type"] == "application/json"
    assert re.fullmatch(r"msg_[0-9A-Za-z]{27}", received.headers["finch-event-id"])
    assert received.headers["finch-timestamp"] == str(int(START + 6))
    told.deliver_webhooks()
    assert listener.all() == []


@pytest.mark.parametrize("status", ["complete", "error", "reauth_error", "permissions_error"])
def test_an_end_is_told_whatever_it_is(
    client: Client, clock: Clock, told: Sandbox, listener: Listener, status: str
) -> None:
    told.patch(completion_status=status)
    job_id = ended_job(client, clock)
    told.deliver_webhooks()
    (received,) = listener.all()
    assert received.event["data"]["job_id"] == job_id


def test_every_secret_in_use_signs(client: Client, clock: Clock, told: Sandbox, listener: Listener) -> None:
    told.patch(webhook_secrets=[SECRET, OLD_SECRET])
    ended_job(client, clock)
    told.deliver_webhooks()
    (received,) = listener.all()
    new, old = received.headers["finch-signature"].split(" ")
    assert new != old
    for secret, signature in ((SECRET, new), (OLD_SECRET, old)):
        alone = signed_headers(received.headers["finch-event-id"], received.body.decode(), clock.now, [secret])
        assert alone["Finch-Signature"] == signature


def test_without_an_address_nothing_is_sent_then_or_later(
    client: Client, clock: Clock, sandbox: Sandbox, listener: Listener
) -> None:
    ended_job(client, clock)
    sandbox.deliver_webhooks()
    sandbox.patch(webhook_urls=[listener.url], webhook_secrets=[SECRET])
    sandbox.deliver_webhooks()
    assert listener.all() == []
    assert sandbox.ledger()["webhooks"] == []


def test_each_connection_may_have_addresses_of_its_own(
    client: Client, clock: Clock, sandbox: Sandbox, listener: Listener
) -> None:
    own = {"webhook_urls": [listener.url, f"{listener.url}/too"], "webhook_secrets": [SECRET]}
    sandbox.patch(connections={"globex": own})
    client.enqueue("acme")
    job_id = client.enqueue("globex").json()["job_id"]
    clock.advance(6)
    sandbox.deliver_webhooks()
    first, second = listener.all()
    assert first.event == second.event
    assert first.event["data"]["job_id"] == job_id


def test_a_failed_delivery_is_repeated_at_the_published_times(
    client: Client, clock: Clock, told: Sandbox, listener: Listener
) -> None:
    listener.answers = [500] * 9
    ended_job(client, clock)
    waited = 0.0
    told.deliver_webhooks()
    for pause in (5, 300, 1800, 7200):
        clock.advance(pause - 1)
        told.deliver_webhooks()
        clock.advance(1)
        waited += pause
        told.deliver_webhooks()
    clock.advance(1e6)
    told.deliver_webhooks()
    sent = listener.all()
    times = [int(each.headers["finch-timestamp"]) - int(START + 6) for each in sent]
    assert times == [0, 0, 5, 305, 2105, 9305]
    assert len({each.headers["finch-event-id"] for each in sent}) == 1
    assert len({each.headers["finch-signature"] for each in sent}) == 5
    assert [each["attempt"] for each in told.ledger()["webhooks"]] == [1, 2, 3, 4, 5, 6]


def test_a_delivery_that_is_taken_is_not_repeated(
    client: Client, clock: Clock, told: Sandbox, listener: Listener
) -> None:
    told.patch(webhook_retry_after_seconds=[2])
    listener.answers = [307, 204]
    job_id = ended_job(client, clock)
    told.deliver_webhooks()
    clock.advance(2)
    told.deliver_webhooks()
    clock.advance(1e6)
    told.deliver_webhooks()
    assert len(listener.all()) == 2
    assert [(each["status"], each["attempt"], each["job_id"]) for each in told.ledger()["webhooks"]] == [
        (307, 1, job_id),
        (204, 2, job_id),
    ]


def test_an_address_where_nobody_listens_is_a_failure(client: Client, clock: Clock, told: Sandbox) -> None:
    told.patch(webhook_urls=["http://127.0.0.1:9/"], webhook_retry_after_seconds=[])
    ended_job(client, clock)
    told.deliver_webhooks()
    (attempt,) = told.ledger()["webhooks"]
    assert (attempt["status"], attempt["error"]) == (None, "NewConnectionError")


def test_an_answer_that_does_not_come_is_a_failure(
    client: Client, clock: Clock, told: Sandbox, listener: Listener
) -> None:
    told.patch(webhook_timeout_seconds=0.1, webhook_retry_after_seconds=[])
    listener.held.clear()
    ended_job(client, clock)
    told.deliver_webhooks()
    (attempt,) = told.ledger()["webhooks"]
    assert (attempt["status"], attempt["error"]) == (None, "ReadTimeoutError")


def test_duplicates_have_the_same_id(client: Client, clock: Clock, told: Sandbox, listener: Listener) -> None:
    told.patch(webhook_duplicates=2)
    ended_job(client, clock)
    told.deliver_webhooks()
    sent = listener.all()
    assert len(sent) == 3
    assert len({(each.headers["finch-event-id"], each.body) for each in sent}) == 1


def test_an_event_may_be_late(client: Client, clock: Clock, told: Sandbox, listener: Listener) -> None:
    told.patch(webhook_delay_seconds=30)
    ended_job(client, clock)
    clock.advance(29)
    told.deliver_webhooks()
    assert listener.all() == []
    clock.advance(1)
    told.deliver_webhooks()
    assert len(listener.all()) == 1


def test_the_dashboards_test(client: Client, told: Sandbox, listener: Listener) -> None:
    asked = client.call("POST", "/_sandbox/webhooks/test", {"connection": "acme"}, connection=None)
    assert asked.status == 202
    told.deliver_webhooks()
    (received,) = listener.all()
    assert received.headers["finch-event-id"] == asked.json()["event_id"]
    assert received.event["event_type"] == "test"
    unknown = client.call("POST", "/_sandbox/webhooks/test", {"connection": "nobody"}, connection=None)
    assert unknown.status == 404


@pytest.mark.parametrize(
    "change",
    [
        {"webhook_urls": ["http://127.0.0.1:1/"]},
        {"webhook_urls": ["somewhere"], "webhook_secrets": [SECRET]},
        {"webhook_secrets": ["not base64!"]},
    ],
)
def test_settings_that_cannot_be_are_refused(client: Client, change: dict[str, Any]) -> None:
    assert client.call("PATCH", "/_sandbox/settings", change, connection=None).status == 400


def test_a_reset_forgets_what_is_on_its_way(client: Client, clock: Clock, told: Sandbox, listener: Listener) -> None:
    listener.answers = [500]
    told.patch(webhook_retry_after_seconds=[5])
    ended_job(client, clock)
    told.deliver_webhooks()
    client.enqueue("globex")
    told.reset()
    told.patch(webhook_urls=[listener.url], webhook_secrets=[SECRET])
    clock.advance(100)
    told.deliver_webhooks()
    assert len(listener.all()) == 1
    assert told.ledger()["webhooks"] == []


def test_by_the_machines_clock_webhooks_go_out_by_themselves_and_finchs_own_sdk_takes_them(listener: Listener) -> None:
    settings = Settings(
        pending_seconds=0.2,
        in_progress_seconds=0.2,
        webhook_urls=(listener.url,),
        webhook_secrets=(SECRET, OLD_SECRET),
        webhook_retry_after_seconds=(0.1,),
    )
    with (
        running_sandbox(settings) as sandbox,
        finch.Finch(access_token=sandbox.tokens["acme"], base_url=sandbox.url) as sdk,
    ):
        listener.answers = [503]
        job_id = sdk.sandbox.jobs.create(type="data_sync_all").job_id
        refused, taken = listener.take(), listener.take()
        status = sdk.jobs.automated.retrieve(job_id).status
        assert status == "complete"
        assert refused.headers["finch-event-id"] == taken.headers["finch-event-id"]
        for secret in (SECRET, OLD_SECRET):
            event = sdk.webhooks.unwrap(taken.body, taken.headers, secret=secret)
            assert isinstance(event, finch.types.JobCompletionEvent)
            assert event.event_type == "job.data_sync_all.completed"
            assert event.data is not None
            assert event.data.job_id == job_id
        altered = taken.body.replace(b"completed", b"complete")
        with pytest.raises(ValueError, match="signature"):
            sdk.webhooks.unwrap(altered, taken.headers, secret=SECRET)


def test_a_hundred_ends_at_once_are_each_told_once(listener: Listener) -> None:
    names = [f"place-{number}" for number in range(100)]
    settings = Settings(
        pending_seconds=0, in_progress_seconds=0, webhook_urls=(listener.url,), webhook_secrets=(SECRET,)
    )
    with (
        running_sandbox(settings, connections=dict.fromkeys(names, "automated")) as sandbox,
        ThreadPoolExecutor(8) as threads,
    ):
        client = Client(sandbox)
        made = list(threads.map(lambda name: client.enqueue(name).json()["job_id"], names))
        heard = [listener.take().event["data"]["job_id"] for _ in made]
        client.pool.clear()
    assert sorted(heard) == sorted(made)
    assert listener.all() == []


def test_what_a_killed_sandbox_owed_the_next_one_sends(tmp_path: Path, listener: Listener) -> None:
    options = ("--state", str(tmp_path / "state"), "--settings")
    to_nobody = {"webhook_urls": ["http://127.0.0.1:9/"], "webhook_secrets": [SECRET], "pending_seconds": 0}
    running = json.dumps({**to_nobody, "in_progress_seconds": 2})
    with command(tmp_path, *options, running) as (_, record):
        job_id = call(record, "POST", "/sandbox/jobs", body={"type": "data_sync_all"})["job_id"]
    with command(tmp_path, *options, json.dumps({**to_nobody, "webhook_urls": [listener.url]})):
        assert listener.take().event["data"]["job_id"] == job_id
