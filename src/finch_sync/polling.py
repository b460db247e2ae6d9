"""When to look at a job again. Pure."""

import math

FIRST_WAIT = 3.0
GROWTH = 1.5
CAP = 300.0
JITTER = 0.1


def wait_seconds(elapsed: float, remaining: float, *, hint: float | None = None, jitter: float = 0.0) -> int | None:
    """How long to wait before the next look at a job, in whole seconds, or None when the deadline is here.

    The wait grows with the square root of the elapsed time: a fixed share of the elapsed time loses to it by far on
    the long tail of durations, and a fixed wait polls long jobs far too often.

    Args:
        elapsed: Seconds since the job was accepted.
        remaining: Seconds until the job's deadline. The last look falls on the deadline itself.
        hint: Seconds that the server asked us to wait. It wins over the policy; the deadline bounds it too.
        jitter: A draw from [-1, 1], spread over a tenth of the wait, so that jobs started together drift apart.
    """
    if remaining <= 0:
        return None
    if hint is None:
        wait = min(max(FIRST_WAIT, GROWTH * math.sqrt(max(elapsed, 0.0))), CAP) * (1 + JITTER * jitter)
    else:
        wait = hint
    return max(1, math.ceil(min(wait, remaining)))
