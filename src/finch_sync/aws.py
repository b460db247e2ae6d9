"""AWS's clients: one session, one pool of connections and one TLS context for all of them.

Left to itself, botocore gives each client a pool of its own and loads all root certificates anew for each connection,
which is more work than all else that a warm environment does for an event.
"""

import socket
import ssl
from collections.abc import Callable
from functools import cached_property, partial
from threading import Lock
from typing import Any

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.httpsession import URLLib3Session

_CONNECT_SECONDS, _READ_SECONDS = 2, 5
_POOL = 16
_CALLS = Config(
    connect_timeout=_CONNECT_SECONDS,
    read_timeout=_READ_SECONDS,
    max_pool_connections=_POOL,
    retries={"mode": "standard", "total_max_attempts": 4},
    # A tenth of a call each: botocore's own user agent is put together anew for each call, and a call's parameters are
    # checked by mypy before and by AWS after.
    user_agent="finch-sync",
    parameter_validation=False,
)


class Aws:
    """Clients for one TLS context."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._making = Lock()

    def client(self, service: str) -> Any:
        """Return a client that is made when it is first called: many an event never calls it."""
        return _Client(partial(self._make, service))

    def _make(self, service: str) -> Any:
        with self._making:  # a session's clients may be used by many threads, but not be made by several at once
            return self._session.client(service, config=_CALLS)  # type: ignore[call-overload] # of any name

    @cached_property
    def _session(self) -> boto3.Session:
        session, http = boto3.Session(), _Http(self._tls)

        def send(request: AWSPreparedRequest, **_: object) -> AWSResponse:
            return http.send(request)

        session.events.register("before-send", send)  # type: ignore[arg-type] # an answer is sent by us, says botocore
        return session


class _Client:
    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> Any:
        return self._make()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._made, name)


class _Http(URLLib3Session):
    """botocore's way to send requests, but on a TLS context that has its roots already."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        super().__init__(
            timeout=(_CONNECT_SECONDS, _READ_SECONDS),  # type: ignore[arg-type] # its stubs know a single number only
            max_pool_connections=_POOL,
            # Headers and body go out one after the other: left to wait for each other, the body takes 40 ms longer.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],  # type: ignore[list-item] # stubs: of texts
        )

    def _get_ssl_context(self) -> ssl.SSLContext:
        return self._tls

    def _setup_ssl_cert(self, conn: Any, url: str, verify: object) -> None:
        """Leave the context as it is: it verifies, and has its roots."""
