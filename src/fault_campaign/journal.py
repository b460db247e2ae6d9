"""What went through the proxies, in order: every call of the function's, and what was done to it."""

import itertools
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fault_campaign.steps import ENQUEUE, ENQUEUE_AGAIN, LIST, SEND, Step


@dataclass(slots=True)
class Call:
    """One call. Times are seconds since the epoch, by this process's clock.

    Attributes:
        step: what it is.
        arrived: when the proxy had read it.
        forwarded: when it went on to its server; None if it never did.
        status: the server's answer; None if there was none. The function may have been told something else.
        done: when nothing more happens to it.
        fault: the name of the fault that hit it.
        trigger: the number of the trigger for which that fault was planned.
    """

    number: int
    step: Step
    arrived: float
    forwarded: float | None = None
    status: int | None = None
    done: float | None = None
    fault: str | None = None
    trigger: int | None = None

    @property
    def took_effect(self) -> bool:
        """Whether its server says that it did what was asked."""
        return self.status == 200


class Journal:
    """The calls of both proxies, under one numbering. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._calls: list[Call] = []
        self._held_by: dict[str, Step] = {}
        self.owners: dict[str, str] = {}

    def open(self, step: Step) -> Call:
        """Write down a call that has just arrived. A POST gets the key of the request that holds its connection."""
        with self._lock:
            if step.connection is not None and step.name.startswith("POST") and step.connection in self._held_by:
                step = replace(step, key=self._held_by[step.connection].key)
            if step.job_id is not None and step.connection is not None:
                self.owners[step.job_id] = step.connection
            call = Call(next(self._numbers), step, time.time())
            self._calls.append(call)
            return call

    def answered(self, call: Call, status: int | None) -> None:
        """Write down a server's answer."""
        with self._lock:
            call.status = status
            sends = call.step.name == SEND or call.step.name.endswith("sent again")
            if sends and call.took_effect and call.step.connection is not None:
                self._held_by[call.step.connection] = call.step

    def is_repeated(self, connection: str | None) -> bool:
        """Whether a connection's request on record is now POSTed for the second time."""
        with self._lock:
            holder = self._held_by.get(connection or "")
            return holder is not None and holder.name != SEND

    def calls(self) -> Sequence[Call]:
        """All calls so far."""
        with self._lock:
            return tuple(self._calls)

    def quiet_seconds(self, connection: str) -> float:
        """For how long nobody has worked on a request of a connection; 0 while a call of such work is under way."""
        with self._lock:
            for call in reversed(self._calls):
                works = call.step.key is not None or call.step.name in {ENQUEUE, ENQUEUE_AGAIN, LIST}
                if call.step.connection == connection and works:
                    return 0.0 if call.done is None else time.time() - call.done
        return math.inf
