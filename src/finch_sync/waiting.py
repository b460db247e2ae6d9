"""Callers who would rather wait for a job's end than ask again (RFC 7240, "Prefer": ``wait``)."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from finch_sync.clock import Clock
from finch_sync.jobs import Job, Tracking
from finch_sync.store import Store

LONGEST_WAIT = 20
"""Seconds. API Gateway ends a request after 29."""

SEATS = 5
"""How many callers may wait at once, over all environments: each keeps one of the function's instances busy."""

LOOK_EVERY = 1.0
"""Seconds between two looks at the record."""

_WAIT = re.compile(r"(?:^|,)\s*wait\s*=\s*(\d+)\s*(?:$|[,;])", re.ASCII | re.IGNORECASE)
_QUOTED = re.compile(r'"([^"]*)"')


def preferred_wait(prefer: str | None) -> int | None:
    """The seconds that a Prefer header asks to wait, as far as they can be granted; None when it asks for none."""
    # A value may be quoted; what else is quoted may look like a preference, and is none.
    unquoted = _QUOTED.sub(lambda quoted: quoted[1] if quoted[1].isdecimal() else "", prefer or "")
    asked = _WAIT.search(unquoted)
    # As a float, for an integer of thousands of digits is an error.
    return None if asked is None else int(min(float(asked[1]), LONGEST_WAIT))


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRoom:
    """Room for a few callers who wait. Those who find none are answered at once."""

    store: Store
    now: Clock
    sleep: Callable[[float], None] = time.sleep

    def wait(self, job: Job, seconds: int) -> Job | None:
        """Wait until a job is followed no more.

        Returns:
            The job as it stands at its end or after these seconds; None when there was no seat.
        """
        until = self.now() + timedelta(seconds=seconds)
        seat = self._seat(seconds)
        if seat is None:
            return None
        try:
            while job.tracking is Tracking.ACTIVE and self.now() < until:
                self.sleep(LOOK_EVERY)
                job = self.store.job(job.connection, job.job_id) or job
        finally:
            self.store.leave_seat(seat)
        return job

    def _seat(self, seconds: int) -> int | None:
        now = self.now()
        until = now + timedelta(seconds=seconds + LONGEST_WAIT)
        return next((seat for seat in range(SEATS) if self.store.take_seat(seat, now=now, until=until)), None)
