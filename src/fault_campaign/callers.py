"""The callers: what they ask over HTTP, how they ask again, and what they were told."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import urllib3

_BODY = b'{"type":"data_sync_all"}'
_SDK_TRIES = 3
_TIMEOUT = urllib3.Timeout(connect=5.0, read=65.0)


@dataclass(frozen=True, slots=True)
class Told:
    """One answer to one caller.

    Attributes:
        trigger: the number of the trigger that it belongs to.
        key: the request's key in the records; None if the answer does not tell it.
        status: None if the connection broke.
        replayed: whether the answer says that it was given before.
        final: whether it tells the caller that asking again is of no use.
    """

    trigger: int
    connection: str
    key: str | None
    status: int | None
    body: str = ""
    replayed: bool = False
    final: bool = False


class Callers:
    """Callers of one API, each with the caller token of its connection."""

    def __init__(self, api_url: str, tokens: Mapping[str, str]) -> None:
        self._url = f"{api_url}/sandbox/jobs"
        self._tokens = tokens
        self._http = urllib3.PoolManager(maxsize=64, retries=False, timeout=_TIMEOUT)
        self._lock = threading.Lock()
        self._told: list[Told] = []

    def told(self) -> list[Told]:
        """Every answer so far."""
        with self._lock:
            return list(self._told)

    def with_key(self, trigger: int, connection: str, key: str, patience: float) -> Told:
        """Ask with an idempotency key, and again until told an end or out of patience (seconds)."""
        until = time.monotonic() + patience
        while True:
            told = self._ask(trigger, connection, {"Idempotency-Key": key}, f"key:{key}")
            if told.final or time.monotonic() >= until:
                return told
            time.sleep(1.0)

    def without_key(self, trigger: int, connection: str) -> Told:
        """Ask as Finch's SDKs do: up to three times, counting the repetitions in a header."""
        for repetition in range(_SDK_TRIES):
            told = self._ask(trigger, connection, {"x-stainless-retry-count": str(repetition)}, None)
            if told.final:
                break
            time.sleep(0.5 * 2**repetition)
        return told

    def _ask(self, trigger: int, connection: str, headers: Mapping[str, str], key: str | None) -> Told:
        own = {"Authorization": f"Bearer {self._tokens[connection]}", "Content-Type": "application/json"}
        try:
            answer = self._http.request("POST", self._url, body=_BODY, headers={**own, **headers})
        except urllib3.exceptions.HTTPError:
            told = Told(trigger, connection, key, None)
        else:
            told = Told(
                trigger,
                connection,
                key,
                answer.status,
                answer.data.decode(),
                replayed="Idempotent-Replayed" in answer.headers,
                final=answer.status == 200 or answer.headers.get("x-should-retry") == "false",
            )
        with self._lock:
            self._told.append(told)
        return told
