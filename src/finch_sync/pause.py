"""The pause that Finch can force on this whole address: 1,000 requests in 5 minutes cost an hour.

One small record tells all environments. Each reads it at most once a minute (Finch developer guide, "Rate Limits").
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from finch_sync.metrics import Metric, record

if TYPE_CHECKING:
    from finch_sync.finch import RateLimited
    from finch_sync.store import Store

CACHE_SECONDS = 60.0


class Pause:
    """Until when nobody may call Finch."""

    def __init__(self, store: "Store", monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._monotonic = monotonic
        self._read_at: float | None = None
        self._until: datetime | None = None

    def seconds_left(self, now: datetime) -> float:
        """Seconds until Finch may be called again; 0 when it may be now."""
        if self._read_at is None or self._monotonic() - self._read_at >= CACHE_SECONDS:
            self._until = self._store.paused_until()
            self._read_at = self._monotonic()
            if self._until is not None and self._until > now:
                record(Metric.ADDRESS_PAUSED)
        return 0.0 if self._until is None else max(0.0, (self._until - now).total_seconds())

    def heed(self, limited: "RateLimited", now: datetime) -> None:
        """Pause everyone, if what was refused was the whole address."""
        if limited.for_whole_address and limited.retry_after is not None:
            self._until = now + timedelta(seconds=limited.retry_after)
            self._read_at = self._monotonic()
            record(Metric.ADDRESS_PAUSED)
            self._store.pause(self._until, limited.finch_code or "")
