"""The life of one job as a function of time: nothing runs in the background, a job is only looked at."""

import math
from dataclasses import dataclass
from random import Random
from statistics import NormalDist
from typing import Literal

from finch_sandbox.settings import LogNormalDuration, Settings, TerminalStatus

JobStatus = Literal["pending", "in_progress"] | TerminalStatus


@dataclass(frozen=True)
class Job:
    """An automated job. Times are seconds since the epoch."""

    job_id: str
    connection: str
    created_at: float
    pending_seconds: float
    in_progress_seconds: float
    completion_status: TerminalStatus

    @property
    def starts_at(self) -> float:
        """When it goes from pending to in_progress."""
        return self.created_at + self.pending_seconds

    @property
    def ends_at(self) -> float:
        """When it takes its completion status."""
        return self.starts_at + self.in_progress_seconds

    def ended(self, now: float) -> bool:
        """Whether it has its completion status."""
        return now >= self.ends_at

    def status(self, now: float) -> JobStatus:
        """Finch's word for where it is."""
        if self.ended(now):
            return self.completion_status
        return "in_progress" if now >= self.starts_at else "pending"


def draw_durations(settings: Settings, connection: str, ordinal: int) -> tuple[float, float]:
    """Seconds that a connection's job of that ordinal number is pending, and in progress.

    The same settings, connection and number always give the same durations.
    """
    fixed = settings.pending_seconds, settings.in_progress_seconds
    if settings.duration is None:
        return fixed
    total = _draw(settings.duration, Random(f"{settings.seed}/{connection}/{ordinal}"))  # noqa: S311 - not a secret
    share = fixed[0] / sum(fixed) if sum(fixed) else 0.0
    return total * share, total * (1 - share)


def _draw(duration: LogNormalDuration, random: Random) -> float:
    low, high = math.log(duration.p5), math.log(duration.p95)
    sigma = (high - low) / (2 * NormalDist().inv_cdf(0.95))
    return random.lognormvariate((low + high) / 2, sigma)
