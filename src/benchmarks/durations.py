"""How long jobs take: assumptions, until a live sandbox says otherwise."""

from dataclasses import dataclass
from math import log, sqrt
from statistics import NormalDist

import numpy as np

_STANDARD = NormalDist()
_Z95 = _STANDARD.inv_cdf(0.95)
_cdf = np.vectorize(_STANDARD.cdf, otypes=[float])


@dataclass(frozen=True, slots=True)
class Lognormal:
    """A part of all jobs: ln(seconds) is normal with this centre and spread."""

    weight: float
    centre: float
    spread: float


def between(weight: float, p5: float, p95: float) -> Lognormal:
    """The lognormal with these 5th and 95th percentiles, in seconds."""
    return Lognormal(weight, log(p5 * p95) / 2, log(p95 / p5) / (2 * _Z95))


def _mixture(sandbox: float, automated: float, long: float) -> tuple[Lognormal, ...]:
    parts = (between(sandbox, 5, 60), between(automated, 60, 1800), Lognormal(long, log(7200), 0.7))
    return tuple(part for part in parts if part.weight)


AUTOMATED = _mixture(0, 0.9, 0.1)
MIX = _mixture(0.2, 0.7, 0.1)
LONGEST = 250_000.0


class Durations:
    """A mixture on a grid of elapsed time, its mass spread evenly within each cell.

    Cells, and not points: an optimum computed on points would look exactly at them, and find ends that no policy can.
    """

    def __init__(self, mixture: tuple[Lognormal, ...]) -> None:
        self.edges = np.array(_edges())
        logarithms = np.log(np.maximum(self.edges, 1e-9))
        ended = sum(part.weight * _cdf((logarithms - part.centre) / part.spread) for part in mixture)
        self.ended = ended / ended[-1]
        self.mass = np.diff(self.ended)
        self.middle = (self.edges[1:] + self.edges[:-1]) / 2
        self.inverse = np.log(self.edges[1:] / np.maximum(self.edges[:-1], 0.25)) / np.diff(self.edges)
        self.mean = float((self.mass * self.middle).sum())


def _edges() -> list[float]:
    """Cells that are small beside the waits of any good policy, which grow with the square root of elapsed time.

    With cells of half the size the optimum falls by less than 0.1 %.
    """
    edges = [0.0, 0.5]
    while edges[-1] < LONGEST:
        edges.append(min(LONGEST, edges[-1] + min(0.006 * edges[-1], 0.4 * sqrt(edges[-1]))))
    return edges


def of_connection(centre: float, spread: float, jobs: int = 400) -> list[float]:
    """A lognormal's quantiles, in seconds."""
    return [float(np.exp(centre + spread * _STANDARD.inv_cdf((i + 0.5) / jobs))) for i in range(jobs)]


def connections(mixture: tuple[Lognormal, ...], shared: float, each: int = 40) -> list[Lognormal]:
    """Connections whose jobs together are the mixture: one belongs to one part of it.

    Args:
        mixture: What all jobs come to.
        shared: How much of a part's variance of ln(seconds) lies between its connections.
        each: How many connections stand for a part.
    """
    return [
        Lognormal(
            part.weight / each,
            part.centre + sqrt(shared) * part.spread * _STANDARD.inv_cdf((i + 0.5) / each),
            part.spread * sqrt(1 - shared),
        )
        for part in mixture
        for i in range(each)
    ]
