"""What a benched function talks to, on loopback: AWS and Finch over TLS with ready answers, and Lambda's Runtime API.

Every AWS service and Finch has a port of its own, as each has an address of its own: so many connections are made.
"""

import json
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import trustme

HOST = "localhost"
_DEADLINE_MS = "4102444800000"


@dataclass(frozen=True)
class Call:
    """A request that reached a service."""

    service: str
    method: str
    path: str
    target: str | None  # what AWS's JSON protocol calls the operation
    body: str

    @property
    def operation(self) -> str:
        """The operation's name, or method and path."""
        return self.target.rpartition(".")[2] if self.target else f"{self.method} {self.path}"


@dataclass
class Services:
    """Running services: their addresses, and what reached them."""

    urls: dict[str, str]
    roots: Path
    calls: list[Call] = field(default_factory=list)


Answers = Mapping[str, Mapping[str, Any]]
"""For each service, by operation, the JSON that it answers."""


@contextmanager
def running_services(answers: Answers, folder: Path, roots: Path | None) -> Iterator[Services]:
    """Serve ready answers over TLS.

    Args:
        answers: What each service answers.
        folder: Where the certificates go.
        roots: Root certificates that clients load beside the one that signed these servers' own.
    """
    authority = trustme.CA()
    bundle = folder / "roots.pem"
    bundle.write_bytes((roots.read_bytes() if roots else b"") + authority.cert_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    with ExitStack() as stack:
        services = Services({}, bundle)
        for name, ready in answers.items():
            server = stack.enter_context(_serving(_service_handler(name, ready, services.calls), context))
            services.urls[name] = f"https://{HOST}:{server.server_port}"
        yield services


@dataclass
class Runtime:
    """Lambda's Runtime API for one process: it hands out events, and says when the last one is answered."""

    address: str
    finished: threading.Event
    answers: list[tuple[Literal["response", "error"], Any]]


@contextmanager
def running_runtime(events: Sequence[Mapping[str, Any]]) -> Iterator[Runtime]:
    """Serve the Runtime API (Lambda guide, "Using the Lambda runtime API") until all events are answered."""
    waiting = list(reversed([json.dumps(event).encode() for event in events]))
    runtime = Runtime("", threading.Event(), [])

    class Handler(_Quiet):
        def do_GET(self) -> None:
            if not waiting:
                runtime.finished.wait()  # the process is about to be ended
                return
            body = waiting.pop()
            self._say(
                200,
                body,
                {
                    "Lambda-Runtime-Aws-Request-Id": f"request-{len(waiting)}",
                    "Lambda-Runtime-Deadline-Ms": _DEADLINE_MS,
                    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:bench",
                },
            )

        def do_POST(self) -> None:
            kind: Literal["response", "error"] = "response" if self.path.endswith("/response") else "error"
            runtime.answers.append((kind, json.loads(self._body() or "null")))
            self._say(202, b"{}")
            if kind == "error" or len(runtime.answers) == len(events):
                runtime.finished.set()

    with _serving(Handler, None) as server:
        runtime.address = f"127.0.0.1:{server.server_port}"
        try:
            yield runtime
        finally:
            runtime.finished.set()


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def _body(self) -> str:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()

    def _say(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        usual = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        for name, value in {**usual, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _service_handler(name: str, ready: Mapping[str, Any], calls: list[Call]) -> type[BaseHTTPRequestHandler]:
    class Handler(_Quiet):
        def _answer(self) -> None:
            call = Call(name, self.command, self.path, self.headers.get("X-Amz-Target"), self._body())
            calls.append(call)
            self._say(200, json.dumps(ready[call.operation]).encode(), {"Finch-Request-Id": "bench"})

        do_GET = do_POST = _answer  # noqa: N815 - the base class's names

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a process that is ended resets its connections."""


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None) -> Iterator[ThreadingHTTPServer]:
    server = _Server(("127.0.0.1", 0), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
