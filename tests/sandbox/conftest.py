"""A sandbox on a real port with a clock that the tests move, and a bare HTTP client for it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import urllib3
from finch import Finch

from finch_sandbox.server import Sandbox, running_sandbox

START = 1_700_000_100.0


@dataclass
class Clock:
    now: float = START

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Client:
    """Sends one request at a time as a connection, with no retries and nothing added but the API's version."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.pool = urllib3.PoolManager(retries=False, timeout=5)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        connection: str | None = "acme",
        token: str | None = None,
        headers: dict[str, str] | None = None,
        version: str | None = "2020-09-17",
    ) -> urllib3.BaseHTTPResponse:
        token = token or (self.sandbox.tokens[connection] if connection else None)
        own = {"Authorization": token and f"Bearer {token}", "Finch-API-Version": version}
        given = {name: value for name, value in own.items() if value}
        url = self.sandbox.url + path
        return self.pool.request(method, url, json=body, headers=given | (headers or {}))

    def enqueue(self, connection: str = "acme") -> urllib3.BaseHTTPResponse:
        return self.call("POST", "/sandbox/jobs", {"type": "data_sync_all"}, connection=connection)

    def job(self, job_id: str, connection: str = "acme") -> urllib3.BaseHTTPResponse:
        return self.call("GET", f"/jobs/automated/{job_id}", connection=connection)


@pytest.fixture(scope="session")
def shared_clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def shared_sandbox(shared_clock: Clock) -> Iterator[Sandbox]:
    with running_sandbox(clock=shared_clock) as running:
        yield running


@pytest.fixture
def clock(shared_clock: Clock) -> Clock:
    shared_clock.now = START
    return shared_clock


@pytest.fixture
def sandbox(shared_sandbox: Sandbox, clock: Clock) -> Sandbox:  # noqa: ARG001 - the clock is set back with it
    shared_sandbox.reset()
    return shared_sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Client]:
    client = Client(sandbox)
    yield client
    client.pool.clear()


@pytest.fixture
def sdk(sandbox: Sandbox) -> Iterator[Finch]:
    with Finch(access_token=sandbox.tokens["acme"], base_url=sandbox.url, max_retries=0) as finch:
        yield finch
