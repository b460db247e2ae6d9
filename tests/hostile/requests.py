"""Hostile requests, as many as asked for and the same for the same seed."""

import base64
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from tests.unit.callers import ENQUEUE, proxy_event
from tests.world import digest

ROUTES = [
    ("POST", "/sandbox/jobs"),
    ("GET", "/jobs/automated"),
    ("GET", "/jobs/automated/{job_id}"),
    ("POST", "/webhooks/finch"),
]
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "", "get", "G\x00T"]
_PIECES = [
    "", "\x00", "\ud800", "\ufeff", "\u202e", "\u0130", "\U0001f4a5", "'", '"', "\\", "/", "..", "%2e%2e%2f", "%00",
    "#", "connection#globex", "job#", "{{7*7}}", "${jndi:ldap://127.0.0.1/a}", "<script>", "\r\nSet-Cookie: a=b",
    " OR 1=1--", "a" * 70, "a" * 9_000, "-1", "1e999", "NaN", "null", "true", "\t", " ",
]  # fmt: skip


class Attacker:
    """Makes one request after another. It holds the token of one connection, and knows another's job."""

    def __init__(self, seed: int, token: str, others_job: str) -> None:
        self._random = Random(seed)  # noqa: S311 - repeatable, not secret
        self._token = token
        self._others_job = others_job

    def events(self, count: int) -> Iterator[dict[str, Any]]:
        for _ in range(count):
            kind: Callable[[], dict[str, Any]] = self._random.choice(
                [self._wrong_body, self._wrong_path, self._wrong_headers, self._wrong_token, self._wrong_all]
            )
            yield kind()

    def authorization(self) -> str:
        """A credential that opens nothing."""
        token = self._token
        return self._random.choice(
            [
                self.text(),
                f"Bearer {self.text()}x",
                f"Basic {base64.b64encode(f'{token}:'.encode()).decode()}",
                f"Bearer {digest(token)}",
                f"Bearer {token}{self._random.choice(['x', ' ', chr(0), '=', chr(10)])}",
                f"Bearer {token[:-1]}",
                f"Bearer {token},Bearer {token}",
                f"bearer  {token}",
                f"Bearer {'x' * 10_000}",
                f"Token {token}",
                f"Bearer{token}",
                token,
                "Bearer",
                "Bearer ",
                "",
            ]
        )

    def text(self) -> str:
        """A text that somebody may not have thought of."""
        return "".join(self._random.choice(_PIECES) for _ in range(self._random.randint(1, 3)))

    def body(self) -> str:
        random = self._random
        depth = random.choice([10, 100, 1_000, 4_000])
        return random.choice(
            [
                "[" * depth + "]" * depth,
                '{"a":' * depth + "1" + "}" * depth,
                '{"type":"data_sync_all","a":' + "[" * depth + "]" * depth + "}",
                '{"type":NaN}',
                '{"type":"data_sync_all","type":' + random.choice(["1", '"x"', "null"]) + "}",
                '{"type":' + "9" * depth + "}",
                '{"type":1e' + "9" * 5 + "}",
                json.dumps({"type": self.text()}),
                json.dumps({self.text(): "data_sync_all"}),
                json.dumps([self.text()] * 3),
                self.text(),
                ENQUEUE[: random.randint(0, len(ENQUEUE))],
                ENQUEUE + self.text(),
                "x" * 200_000,
                "",
            ]
        )

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def _wrong_body(self) -> dict[str, Any]:
        body = self.body()
        encoded = self._random.choice(
            [body, base64.b64encode(self._random.randbytes(40)).decode(), base64.b64encode(b"\xff\xfe{").decode()]
        )
        flag = self._random.random() < 0.3
        method, route = self._random.choice(ROUTES)
        return proxy_event(method, route, headers=self._bearer(), body=encoded if flag else body, is_base64=flag)

    def _wrong_path(self) -> dict[str, Any]:
        job_id = self._random.choice([self.text(), self._others_job, self._others_job.upper(), "a" * 5_000])
        query = {self._random.choice(["limit", "offset", self.text()]): self.text()}
        method, route = self._random.choice(ROUTES[1:3])
        return proxy_event(method, route, path_parameters={"job_id": job_id}, query=query, headers=self._bearer())

    def _wrong_headers(self) -> dict[str, Any]:
        random = self._random
        headers = {random.choice(["Idempotency-Key", "Prefer", "x-stainless-retry-count", "Host", "Content-Type",
                                  "Finch-Event-Id", "Finch-Timestamp", "Finch-Signature", self.text()]): self.text()
                   for _ in range(random.choice([1, 3, 200]))}  # fmt: skip
        method, route = random.choice(ROUTES)
        # A body that is no order for a job: what counts here is what the headers do.
        return proxy_event(method, route, headers=headers | self._bearer(), body="{}")

    def _wrong_token(self) -> dict[str, Any]:
        method, route = self._random.choice(ROUTES[:3])
        headers = {self._random.choice(["Authorization", "authorization"]): self.authorization()}
        return proxy_event(method, route, path_parameters={"job_id": self._others_job}, headers=headers, body=ENQUEUE)

    def _wrong_all(self) -> dict[str, Any]:
        return proxy_event(
            self._random.choice(_METHODS),
            self._random.choice([route for _, route in ROUTES] + [self.text(), "/{proxy+}"]),
            path_parameters={"job_id": self.text()},
            query={self.text(): self.text()},
            headers={self.text(): self.text(), "Authorization": self.authorization()},
            body=self.body(),
        )
