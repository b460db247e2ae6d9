"""A loopback proxy that lets calls through, or does to them what their fault says."""

import contextlib
import http.client
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from fault_campaign.arming import Armory
from fault_campaign.faults import Answer, Fault
from fault_campaign.journal import Call, Journal
from fault_campaign.steps import Step
from fault_campaign.victim import NoVictimError, kill_client

CALL_HEADER = "X-Fault-Campaign-Call"
"""Goes on to the server with each call, so that the server's own ledger can be joined with the journal."""

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "host", "content-length"})


Describe = Callable[[str, str, Message, bytes], Step]
"""Tells what a call is, by its method, path, headers and body."""


@dataclass(frozen=True)
class _Upstream:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class FaultProxy:
    """Stands between the function and one server."""

    def __init__(self, describe: Describe, journal: Journal, armory: Armory) -> None:
        self._describe = describe
        self._journal = journal
        self._armory = armory
        self.mistakes: list[Exception] = []
        self._upstream = ""
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._port: int = self._server.server_address[1]
        self._serve()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def stand_before(self, upstream: str) -> str:
        """Forward to a server from now on; the address to use instead of the server's."""
        self._upstream = urlsplit(upstream).netloc
        return self.url

    def refuse(self, seconds: float) -> None:
        """Refuse connections for a while, and cut those that there are."""
        self.close()
        time.sleep(seconds)
        self._server = _Server(("127.0.0.1", self._port), self._handler())
        self._serve()

    def close(self) -> None:
        """Stop listening, and cut the connections that there are."""
        self._server.shutdown()
        self._server.server_close()
        self._server.cut_all()

    def _serve(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: Any) -> None:
                """The journal is the log."""

            def do_GET(self) -> None:
                proxy._handle(self)

            def do_POST(self) -> None:
                proxy._handle(self)

        return Handler

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        length = int(request.headers.get("Content-Length") or 0)
        body = request.rfile.read(length)
        if len(body) < length:  # its sender died while it wrote
            request.close_connection = True
            return
        try:
            step = self._describe(request.command, request.path, request.headers, body)
        except Exception as mistake:
            self.mistakes.append(mistake)  # the campaign's own: it must not pass for a fault
            raise
        call = self._journal.open(step)
        try:
            fault = self._armory.strike(call)
            if fault is None:
                _answer(request, self._forward(call, request, body))
            else:
                self._inflict(fault, call, request, body)
        finally:
            call.done = time.time()

    def _inflict(self, fault: Fault, call: Call, request: BaseHTTPRequestHandler, body: bytes) -> None:
        true_answer = self._forward(call, request, body) if fault.arrives and not fault.late else None
        time.sleep(fault.silence)
        if fault.ending == "killed":
            try:
                kill_client(request.client_address[1])
            except NoVictimError:
                call.fault = None  # it died of something else
            request.close_connection = True
        elif fault.ending == "reset":
            _reset(request)
        elif fault.ending == "truncated":
            _answer(request, true_answer, cut=True)
        else:
            _answer(request, true_answer if fault.answer is None else _made(fault.answer))
        if fault.arrives and fault.late:
            time.sleep(fault.late)
            self._forward(call, request, body)

    def _forward(self, call: Call, request: BaseHTTPRequestHandler, body: bytes) -> _Upstream | None:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        call.forwarded = time.time()
        connection = http.client.HTTPConnection(self._upstream, timeout=60)
        try:
            connection.request(request.command, request.path, body, {**headers, CALL_HEADER: str(call.number)})
            response = connection.getresponse()
            answer = _Upstream(response.status, response.getheaders(), response.read())
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        self._journal.answered(call, answer.status)
        return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()

    def finish_request(self, request: Any, client_address: Any) -> None:
        with self._kept(request), contextlib.suppress(ConnectionError, TimeoutError, ValueError):
            super().finish_request(request, client_address)

    @contextlib.contextmanager
    def _kept(self, connection: socket.socket) -> Iterator[None]:
        self._open.add(connection)
        try:
            yield
        finally:
            self._open.discard(connection)

    def cut_all(self) -> None:
        """End all connections."""
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _made(answer: Answer) -> _Upstream:
    return _Upstream(answer.status, list(answer.headers.items()), answer.body.encode())


def _answer(request: BaseHTTPRequestHandler, answer: _Upstream | None, *, cut: bool = False) -> None:
    if answer is None:
        _reset(request)
        return
    request.send_response_only(answer.status)
    for name, value in answer.headers:
        if name.lower() not in _HOP_BY_HOP:
            request.send_header(name, value)
    request.send_header("Content-Length", str(len(answer.body)))
    request.end_headers()
    request.wfile.write(answer.body[: len(answer.body) // 2] if cut else answer.body)
    if cut:
        request.close_connection = True


def _reset(request: BaseHTTPRequestHandler) -> None:
    # A close with a linger time of zero sends RST instead of FIN.
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(request.connection.detach())  # at once: the handler's files would keep the socket open
    request.close_connection = True
