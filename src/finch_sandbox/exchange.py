"""One request and its answer on the wire: the request's id, the fault that hits it, and its entry in the ledger."""

import asyncio
import json
import socket
import struct
from dataclasses import dataclass, field
from typing import cast
from uuid import uuid4

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from finch_sandbox.connections import Connections
from finch_sandbox.faults import (
    ActiveRule,
    ErrorFault,
    Fault,
    FaultBook,
    RawFault,
    ResetFault,
    RewriteFault,
    SlowFault,
    TruncatedFault,
)
from finch_sandbox.finch import Finch
from finch_sandbox.ledger import Effect, Entry

TRANSPORT = "finch_sandbox.transport"
"""The name in the ASGI scope's extensions under which the server gives the connection's transport."""

_LEDGER_BODY_LIMIT = 4096


@dataclass
class Done:
    """What the handling of a request did; the handler fills it in."""

    effect: Effect = "none"
    job_id: str | None = None


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def with_body(self, body: bytes) -> "_Answer":
        return _Answer(self.status, _without(self.headers, b"content-length"), body)


@dataclass(frozen=True)
class _Asked:
    scope: Scope
    body: bytes
    connection: str | None
    received_at: float
    request_id: str = field(default_factory=lambda: str(uuid4()))
    done: Done = field(default_factory=Done)


class _StoppedError(Exception):
    """The server stops while a request is slow; to the client that is a Finch that went down."""


class Exchanges:
    """Wraps Finch's routes: applies faults, adds Finch-Request-Id, and records every request.

    Once `stopping` is set, a request that is being slow gets a reset connection instead of its answer.
    """

    def __init__(
        self, app: ASGIApp, finch: Finch, connections: Connections, faults: FaultBook, stopping: asyncio.Event
    ) -> None:
        self._app = app
        self._finch = finch
        self._connections = connections
        self._faults = faults
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request (ASGI)."""
        try:
            await self._exchange(scope, receive, send)
        except _StoppedError:
            await _reset(scope, receive)

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        authorization = Headers(scope=scope).get("authorization")
        connection = self._connections.owner(authorization)
        asked = _Asked(scope, await _whole_body(receive), connection, self._finch.clock())
        rule = self._faults.claim(scope["method"], scope["path"], connection)
        fault = None if rule is None else rule.rule.fault

        if isinstance(fault, SlowFault) and fault.when == "before":
            await self._pause(fault.seconds)
        acts = fault is None or fault.when == "after" or isinstance(fault, SlowFault)
        answer = _spoiled(await self._act(asked) if acts else None, fault, self._finch.clock())
        self._record(asked, answer, rule)
        if isinstance(fault, SlowFault) and fault.when == "after":
            await self._pause(fault.seconds)

        if answer is None:
            await _reset(scope, receive)
        elif isinstance(fault, TruncatedFault):
            await _send_half(answer, asked.request_id, scope, receive, send)
        else:
            await _send(answer, asked.request_id, send)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return
        raise _StoppedError

    async def _act(self, asked: _Asked) -> _Answer:
        asked.scope.setdefault("state", {})["done"] = asked.done
        messages: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": asked.body, "more_body": False}

        async def collect(message: Message) -> None:
            messages.append(message)

        await self._app(asked.scope, receive, collect)
        start, *parts = messages
        return _Answer(start["status"], list(start["headers"]), b"".join(part.get("body", b"") for part in parts))

    def _record(self, asked: _Asked, answer: _Answer | None, rule: ActiveRule | None) -> None:
        whole = answer is not None and not (rule and isinstance(rule.rule.fault, TruncatedFault))
        headers = dict(Headers(scope=asked.scope))
        headers.pop("authorization", None)
        self._finch.store.record(
            Entry(
                at=asked.received_at,
                method=asked.scope["method"],
                path=asked.scope["path"],
                query=asked.scope["query_string"].decode("latin-1"),
                headers=headers,
                body=asked.body[:_LEDGER_BODY_LIMIT].decode("utf-8", "replace"),
                connection=asked.connection,
                request_id=asked.request_id,
                effect=asked.done.effect,
                job_id=asked.done.job_id,
                status=answer.status if answer is not None and whole else None,
                fault=None if rule is None else rule.rule.fault.kind,
                fault_when=None if rule is None else rule.rule.fault.when,
                fault_rule=None if rule is None else rule.rule_id,
            )
        )


def _spoiled(answer: _Answer | None, fault: Fault | None, now: float) -> _Answer | None:
    """What the client is to be told, none if the connection is reset instead."""
    if isinstance(fault, ResetFault):
        return None
    if isinstance(fault, ErrorFault):
        extra = {} if fault.retry_after is None else {"retry-after": fault.retry_after}
        headers = {"content-type": "application/json", **extra, **fault.headers}
        return _Answer(fault.status(), _encoded(headers), json.dumps(fault.body(now)).encode())
    if isinstance(fault, RawFault):
        content_type = {} if fault.content_type is None else {"content-type": fault.content_type}
        return _Answer(fault.status, _encoded({**content_type, **fault.headers}), fault.body.encode())
    if isinstance(fault, RewriteFault) and answer is not None and answer.body:
        return answer.with_body(json.dumps(fault.apply(json.loads(answer.body))).encode())
    return answer


async def _whole_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


async def _send(answer: _Answer, request_id: str, send: Send, content_length: int | None = None) -> None:
    length = len(answer.body) if content_length is None else content_length
    own = {"content-length": str(length), "finch-request-id": request_id}
    headers = [*_without(answer.headers, b"content-length"), *_encoded(own)]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": length > len(answer.body)})


async def _send_half(answer: _Answer, request_id: str, scope: Scope, receive: Receive, send: Send) -> None:
    half = answer.with_body(answer.body[: len(answer.body) // 2])
    await _send(half, request_id, send, content_length=len(answer.body) + 1)
    _transport(scope).close()
    await _until_disconnected(receive)


async def _reset(scope: Scope, receive: Receive) -> None:
    transport = _transport(scope)
    connection = transport.get_extra_info("socket")
    # A close with a linger time of zero sends RST instead of FIN.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _until_disconnected(receive)


async def _until_disconnected(receive: Receive) -> None:
    """Waits until the server knows the connection is gone, so that it does not take the answer for forgotten."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _transport(scope: Scope) -> asyncio.Transport:
    return cast("asyncio.Transport", scope["extensions"][TRANSPORT])


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def _without(headers: list[tuple[bytes, bytes]], name: bytes) -> list[tuple[bytes, bytes]]:
    return [header for header in headers if header[0] != name]
