"""When to look at a job again, judged by how long this connection's jobs took before. Pure.

A look costs something, and so does finding the end of a job late. Let a look be worth ``c`` seconds of delay. Looking
with density r(t) at jobs of survival S and hazard h = f/S costs the integral of ``c r S + f / (2 r)`` over time, which
is least where ``r = sqrt(h / 2c)``: look often while an end is likely, seldom while it is not.

Single looks that have this density: wait until the delay to be expected from waiting has reached the price,

    integral from t to t + w of (1 - S(u) / S(t)) du = c

(under a constant hazard ``h w^2 / 2 = c``). It needs no derivative, and for lognormal durations it has a closed form.

How long a job takes is a mixture of lognormals. The classes of the prior are assumptions, until a live sandbox says
otherwise. What a connection's jobs took moves the weights, the centres and the spreads by Bayes' rule. A part of the
prior always stays, so that a provider that takes ten times as long today is looked at as one that nobody knows.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

PRICE = 6.0
"""Seconds of delay that a look is worth, in a job that runs long."""

PATIENCE = 440.0
"""Elapsed seconds at which the price is half of that: a second late weighs more in a short job than in a long one."""

UNTOLD = 1 / 16
"""The part of all ends that webhooks are expected not to tell: only those are found by looking. An assumption."""

FLOOR = 3.0
CAP = 600.0
JITTER = 0.1

MEMORY = 12
"""How many jobs count: from then on each new one weighs this much, and old ones fade."""

SURPRISE = 0.03
"""The part of the prior that no experience takes away."""

SHORTEST, LONGEST = 1.0, 86400.0
"""Durations in seconds are taken as at least and at most this: a second is Finch's, a day is our longest deadline."""


@dataclass(frozen=True, slots=True)
class Durations:
    """What a connection's jobs took: how many there were, and mean and variance of ln(seconds), the recent ones first.

    The variance is the population's. ``Durations()`` is a connection of which nothing is known.
    """

    count: int = 0
    mean: float = 0.0
    variance: float = 0.0

    def after(self, seconds: float) -> "Durations":
        """What is known after one more job. A duration that cannot be one teaches nothing."""
        if not (math.isfinite(seconds) and seconds >= 0):
            return self
        known = self if self.usable else Durations()
        weight = 1 / min(known.count + 1, MEMORY)
        apart = math.log(min(max(seconds, SHORTEST), LONGEST)) - known.mean
        return Durations(
            known.count + 1,
            max(0.0, known.mean + weight * apart),  # rounding can take it below ln(1)
            (1 - weight) * (known.variance + weight * apart * apart),
        )

    def or_else(self, expected: "Durations") -> "Durations":
        """What to go by: this, or what is expected where this says nothing."""
        return self if self.usable else expected

    @property
    def usable(self) -> bool:
        """Whether these are numbers that durations can have led to."""
        return self.count > 0 and 0 <= self.mean <= math.log(LONGEST) and 0 <= self.variance <= math.log(LONGEST) ** 2


UNKNOWN = Durations()


def wait_seconds(
    elapsed: float,
    remaining: float,
    known: Durations = UNKNOWN,
    *,
    hint: float | None = None,
    webhooks: bool = False,
    jitter: float = 0.0,
) -> int | None:
    """How long to wait before the next look at a job, in whole seconds, or None when the deadline is here.

    Args:
        elapsed: Seconds since the job was accepted.
        remaining: Seconds until the job's deadline. The last look falls on the deadline itself.
        known: What this connection's earlier jobs took.
        hint: Seconds that the server asked us to wait at least. A longer one wins over the policy; the deadline bounds
            it too.
        webhooks: Whether Finch tells of an end by itself. Looks are then for the few ends that it fails to tell.
        jitter: A draw from [-1, 1], spread over a tenth of the wait, so that jobs started together drift apart.
    """
    if remaining <= 0:
        return None
    policy = _worthwhile_wait(max(elapsed, 0.0), _expected(known), UNTOLD if webhooks else 1.0)
    wait = max(FLOOR, policy * (1 + JITTER * jitter), hint or 0.0)
    return math.ceil(min(wait, remaining))


_ROOT2 = math.sqrt(2)


@dataclass(frozen=True, slots=True)
class _Class:
    """Lognormal durations: ``weight`` of all jobs, ln(seconds) with this centre and spread."""

    weight: float
    centre: float
    spread: float
    mean: float


def _outlasting(classes: tuple[_Class, ...], seconds: float) -> tuple[float, float]:
    """The part of all jobs that takes longer than this, and the integral of that part up to here."""
    logarithm, longer, ended = math.log(seconds), 0.0, 0.0
    for c in classes:
        z = (logarithm - c.centre) / (_ROOT2 * c.spread)
        longer += c.weight * math.erfc(z)
        ended += c.weight * c.mean * math.erfc(c.spread / _ROOT2 - z)
    return longer / 2, (longer * seconds + ended) / 2


def _lognormal(weight: float, centre: float, spread: float) -> _Class:
    return _Class(weight, centre, spread, math.exp(centre + spread**2 / 2))


def _between(weight: float, p5: float, p95: float) -> _Class:
    return _lognormal(weight, math.log(p5 * p95) / 2, math.log(p95 / p5) / (2 * 1.6449))


PRIOR = (
    _between(0.05, 5, 60),  # a sandbox
    _between(0.85, 60, 1800),  # an automated provider
    _between(0.10, 2300, 22800),  # a provider that takes about two hours
)
"""Assumptions. The sandbox weighs little: its jobs ask for early looks, which all the others pay for."""

WITHIN = ((0.2, 0.1), (0.5, 0.35), (0.3, 0.9))
"""How much of a class's variance lies within one connection: (probability, share)."""


@lru_cache
def _expected(known: Durations) -> tuple[_Class, ...]:
    """The durations to expect of a connection's next job. Kept, for all looks at a job ask the same."""
    if not known.usable:
        return PRIOR
    jobs = min(known.count, MEMORY)
    evidence, learned = [], []
    for kind in PRIOR:
        for probability, share in WITHIN:
            within = share * kind.spread**2
            between = kind.spread**2 - within
            of_mean = between + within / jobs
            # ln of the likelihood of the mean and the variance that were seen, but for what is the same for all.
            evidence.append(
                math.log(kind.weight * probability)
                - (math.log(of_mean) + (known.mean - kind.centre) ** 2 / of_mean) / 2
                - ((jobs - 1) * math.log(within) + jobs * known.variance / within) / 2
            )
            left = between * within / jobs / of_mean
            centre = (kind.centre * within / jobs + known.mean * between) / of_mean
            learned.append((centre, math.sqrt(within + left)))
    best = max(evidence)
    odds = [math.exp(value - best) for value in evidence]
    scale = (1 - SURPRISE) / sum(odds)
    likely = [_lognormal(scale * odd, *shape) for odd, shape in zip(odds, learned, strict=True) if odd > 0.02]
    return (*likely, *(_lognormal(SURPRISE * kind.weight, kind.centre, kind.spread) for kind in PRIOR))


def _worthwhile_wait(elapsed: float, classes: tuple[_Class, ...], untold: float) -> float:
    """The wait, between floor and cap, whose expected delay has reached the price of a look."""
    alive, lived = _outlasting(classes, elapsed) if elapsed else (1.0, 0.0)
    if alive < 1e-12:
        return CAP
    low, high = FLOOR / 1.02, CAP * 1.02
    wait = _within_bounds(4 * math.sqrt(elapsed + 100))  # near enough to begin with
    # Newton's method on logarithms, in which delay over price is close to a straight line. Where jobs are very much
    # alike the line has a bend: a step that strays, and each after the fifth, halves the range instead.
    for step in range(13):
        then = elapsed + wait
        alive_then, lived_then = _outlasting(classes, then)
        delay = max(wait - (lived_then - lived) / alive, 1e-9)
        price = PRICE * then / (then + PATIENCE) / untold
        low, high = (low, wait) if delay >= price else (wait, high)
        slope = wait * (1 - alive_then / alive) / delay - wait * PATIENCE / (then * (then + PATIENCE))
        better = _within_bounds(wait * (price / delay) ** (1 / max(slope, 0.5)))
        if step >= 5 or not low < better < high:
            better = math.sqrt(low * high)
        if abs(better - wait) < 0.02 * wait:
            break
        wait = better
    return _within_bounds(better)


def _within_bounds(wait: float) -> float:
    return min(max(wait, FLOOR), CAP)
