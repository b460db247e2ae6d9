"""Runs the sandbox on a real port: in this process's main thread for the command, in a thread of its own for tests."""

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from starlette.types import Receive, Scope, Send
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from finch_sandbox.app import sandbox_app
from finch_sandbox.connections import Connections
from finch_sandbox.control import ConnectionChange, Control
from finch_sandbox.exchange import TRANSPORT
from finch_sandbox.faults import ActiveRule, Fault, FaultBook, FaultRule, Match
from finch_sandbox.finch import Finch
from finch_sandbox.postman import Postman
from finch_sandbox.settings import Settings, SettingsBook
from finch_sandbox.store import ConnectionKind, Store

DEFAULT_CONNECTIONS: Mapping[str, ConnectionKind] = {
    "acme": "automated",
    "globex": "automated",
    "initech-assisted": "assisted",
}

_START_SECONDS = 10


class _Protocol(H11Protocol):
    """HTTP/1.1 that lets the application get at the connection's transport, to cut or reset it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        app = self.app

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[TRANSPORT] = transport
            await app(scope, receive, send)

        self.app = with_transport


class _Server(Server):
    """A server that leaves signals to its owner and says when it accepts connections."""

    def __init__(self, config: Config, on_ready: Callable[[], None], stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._stopping = stopping

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        await super().shutdown(sockets)


class Sandbox:
    """A sandbox that is listening: where it is, and everything that can be done to it from this process."""

    def __init__(self, control: Control, listener: socket.socket) -> None:
        self.control = control
        host, port = listener.getsockname()[:2]
        self.url = f"http://{host}:{port}"

    @property
    def tokens(self) -> dict[str, str]:
        """The token that opens each connection now; without those whose token was revoked."""
        return {name: token for name, _, token in self.control.connections.all() if token is not None}

    def ready_record(self) -> dict[str, JsonValue]:
        """Where the sandbox is and what opens its connections."""
        return {"url": self.url, "connections": self.control.tokens_and_kinds()}

    def add_fault(
        self,
        fault: Fault,
        *,
        method: str | None = None,
        path: str | None = None,
        connection: str | None = None,
        skip: int = 0,
        times: int | None = 1,
        probability: float = 1,
        seed: int = 0,
    ) -> ActiveRule:
        """Puts a fault rule in force."""
        match = Match(method=method, path=path, connection=connection)
        rule = FaultRule(match=match, fault=fault, skip=skip, times=times, probability=probability, seed=seed)
        return self.control.faults.add(rule)

    def clear_faults(self) -> None:
        """Takes all fault rules out of force."""
        self.control.faults.clear()

    def patch(self, **change: Any) -> None:
        """Changes settings, for all connections or, under `connections`, for some."""
        self.control.patch_settings(change)

    def ledger(self, after: int = 0) -> dict[str, Any]:
        """Requests seen, jobs made and webhooks sent, as GET /_sandbox/ledger gives them."""
        return self.control.ledger(after)

    def deliver_webhooks(self) -> None:
        """Makes every delivery that is due by the clock; when a clock runs by itself, so do they."""
        self.control.finch.postman.deliver_due()

    def change_connection(self, change: ConnectionChange) -> dict[str, JsonValue]:
        """Adds a connection, or replaces or revokes its token."""
        return self.control.change_connection(change)

    def reset(self) -> None:
        """Forgets everything but the connections and their tokens."""
        self.control.reset()


def build_control(
    store: Store,
    settings: SettingsBook,
    connections: Mapping[str, ConnectionKind],
    tokens: Mapping[str, str],
    clock: Callable[[], float] = time.time,
) -> Control:
    """Puts a sandbox together, with its connections added to those the store remembers."""
    postman = Postman(store, settings, clock)
    control = Control(Finch(store, settings, clock, postman), Connections(store, settings), FaultBook())
    for name, kind in connections.items():
        control.connections.add(name, kind, tokens.get(name))
    return control


def serve(control: Control, host: str, port: int, on_ready: Callable[[Sandbox], None]) -> None:
    """Serves until SIGTERM or SIGINT, then returns. Port 0 takes a free one."""
    listener = _listen(host, port)
    sandbox = Sandbox(control, listener)

    async def until_signalled() -> None:
        server = _server(control, lambda: on_ready(sandbox))
        for stop in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(stop, lambda: setattr(server, "should_exit", True))
        await server.serve([listener])

    with control.finch.postman.at_work():
        asyncio.run(until_signalled())


@contextmanager
def running_sandbox(
    settings: Settings | None = None,
    *,
    connections: Mapping[str, ConnectionKind] = DEFAULT_CONNECTIONS,
    tokens: Mapping[str, str] | None = None,
    clock: Callable[[], float] = time.time,
    state: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[Sandbox]:
    """A sandbox that listens in a thread of this process until the block ends.

    Args:
        settings: What it starts with; the defaults if none.
        connections: Kind of each connection by name.
        tokens: Tokens by connection name; random ones for the others.
        clock: Seconds since the epoch; jobs and quotas live by it, so a test that moves it need not sleep. With any but
            the machine's, webhooks are sent by `Sandbox.deliver_webhooks` alone.
        state: File to keep jobs, quotas, tokens and ledger in; memory if none.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
    """
    store = Store(state)
    control = build_control(store, SettingsBook(settings or Settings()), connections, tokens or {}, clock)
    listener = _listen(host, port)
    sandbox = Sandbox(control, listener)
    ready = threading.Event()
    server = _server(control, ready.set)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), name="finch-sandbox", daemon=True)
    thread.start()
    try:
        if not ready.wait(_START_SECONDS):
            raise TimeoutError("the sandbox did not start")
        with control.finch.postman.at_work() if clock is time.time else nullcontext():
            yield sandbox
    finally:
        server.should_exit = True
        thread.join()
        store.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=2048)
    # Connections inherit it. asyncio sets it only on sockets of its own making; without it every answer takes 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _server(control: Control, on_ready: Callable[[], None]) -> _Server:
    stopping = asyncio.Event()
    config = Config(
        sandbox_app(control, stopping),
        http=_Protocol,
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        # Pooled client connections are closed by a real Finch rarely; a test that wants it asks for a reset.
        timeout_keep_alive=120,
        timeout_graceful_shutdown=1,
    )
    return _Server(config, on_ready, stopping)
