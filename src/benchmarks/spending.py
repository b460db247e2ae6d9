"""What a schedule of looks costs, and the least that any could."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.durations import Durations

Policy = Callable[[float], float]
"""From elapsed seconds to the wait before the next look."""


@dataclass(frozen=True, slots=True)
class Spent:
    """The mean over all jobs.

    Attributes:
        polls: looks at a job.
        delay: seconds from a job's end to the look that finds it.
        relative: that delay as a part of the job's duration.
    """

    polls: float
    delay: float
    relative: float


def looks(policy: Policy, until: float) -> list[float]:
    """When a policy looks at a job that goes on until then, in elapsed seconds."""
    times = [policy(0.0)]
    while times[-1] < until:
        times.append(times[-1] + policy(times[-1]))
    return times


def spent(times: Sequence[float], durations: Durations) -> Spent:
    """What looking at these times costs."""
    at = np.array(times)
    edges = np.unique(np.concatenate([durations.edges, at[at < durations.edges[-1]]]))
    mass = np.diff(np.interp(edges, durations.edges, durations.ended))
    middle = (edges[1:] + edges[:-1]) / 2
    inverse = np.log(edges[1:] / np.maximum(edges[:-1], 0.25)) / np.diff(edges)
    found = np.searchsorted(at, middle)
    return Spent(
        float((mass * (found + 1)).sum()),
        float((mass * (at[found] - middle)).sum()),
        float((mass * (at[found] * inverse - 1)).sum()),
    )


@dataclass(frozen=True, slots=True)
class Weight:
    """What a second of delay counts in an objective: in itself, and as a part of the job's duration."""

    durations: Durations
    absolute: float
    relative: float


def best_schedule(weights: Sequence[Weight], price: float) -> list[float]:
    """The schedule with the least weighed delay plus price times looks, by dynamic programming over the grid's edges.

    Exact but for the looks' being at edges. Several weights ask for one schedule that serves several mixtures.
    """
    edges = weights[0].durations.edges
    alive = sum(1 - weight.durations.ended for weight in weights)
    # Of the jobs that end in a cell: what each second counts, and what each second since the start does.
    value: Any = sum(w.durations.mass * (w.absolute + w.relative * w.durations.inverse) for w in weights)
    valued: Any = sum(w.durations.mass * (w.absolute * w.durations.middle + w.relative) for w in weights)
    counts, since = (np.concatenate([[0.0], np.cumsum(part)]) for part in (value, valued))
    last = len(edges) - 1
    cost, following = np.zeros(last + 1), [0] * (last + 1)
    for i in range(last - 1, -1, -1):
        costs = edges[i + 1 :] * (counts[i + 1 :] - counts[i]) - (since[i + 1 :] - since[i]) + cost[i + 1 :]
        best = int(np.argmin(costs))
        cost[i], following[i] = costs[best] + price * alive[i], i + 1 + best
    times, i = [], 0
    while i < last:
        i = following[i]
        times.append(float(edges[i]))
    return times


class Optimum:
    """The least mean delay, absolute and relative, that so many looks can buy."""

    PRICES = np.geomspace(0.1, 150, 22)

    def __init__(self, durations: Durations) -> None:
        self.durations = durations
        self.absolute = self._curve([Weight(durations, 1, 0)], 1.0)
        self.relative = self._curve([Weight(durations, 0, 1)], 1 / 250)

    def _curve(self, weights: list[Weight], scale: float) -> list[Spent]:
        outcomes = [spent(best_schedule(weights, float(price) * scale), self.durations) for price in self.PRICES]
        return sorted(outcomes, key=lambda outcome: outcome.polls)

    def compared(self, outcome: Spent) -> tuple[float, float]:
        """Delay over the least at as many looks, absolute and relative."""
        polls = np.log(outcome.polls)
        least = (
            np.interp(polls, np.log([o.polls for o in self.absolute]), np.log([o.delay for o in self.absolute])),
            np.interp(polls, np.log([o.polls for o in self.relative]), np.log([o.relative for o in self.relative])),
        )
        return outcome.delay / float(np.exp(least[0])), outcome.relative / float(np.exp(least[1]))
