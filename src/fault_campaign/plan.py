"""The plan: which triggers there are and which faults they meet. Pure; the same seed gives the same plan."""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from fault_campaign.arming import Trap
from fault_campaign.faults import (
    AWS_THROTTLES_FOR_LONG,
    FINCH_QUOTA_USED_UP,
    FINCH_RATE_LIMITS,
    FINCH_RESETS_AFTER,
    FINCH_RESETS_BEFORE,
    KILLED_AFTER,
    KILLS,
    faults_of,
)
from fault_campaign.steps import ENQUEUE, SEND, START


class Kind(StrEnum):
    """How a job is asked for."""

    KEYED = "HTTP with Idempotency-Key"
    UNKEYED = "HTTP without"
    DIRECT = "direct invocation"
    TICK = "schedule tick"


Event = Literal["Finch restarts", "Finch refuses connections", "two sweeps at once"]
EVENTS: tuple[Event, ...] = ("Finch restarts", "Finch refuses connections", "two sweeps at once")


@dataclass(frozen=True, slots=True)
class Path:
    """A way that a request can take through the function.

    Attributes:
        name: what the report calls it.
        kinds: the triggers that can take it.
        leads: faults that lead onto it.
        while_running: whether the connection's job runs already.
        stopped: whether the job's execution is stopped from outside once it is accepted.
    """

    name: str
    kinds: tuple[Kind, ...] = (Kind.KEYED, Kind.UNKEYED, Kind.DIRECT)
    leads: tuple[Trap, ...] = ()
    while_running: bool = False
    stopped: bool = False


PATHS = (
    Path("accepted over HTTP", (Kind.KEYED, Kind.UNKEYED)),
    Path("accepted by direct invocation", (Kind.DIRECT,)),
    Path("accepted by a tick", (Kind.TICK,)),
    Path("attached to a running job", while_running=True),
    Path("answer lost, job made", leads=(Trap(ENQUEUE, FINCH_RESETS_AFTER),)),
    Path("answer lost, no job made", leads=(Trap(ENQUEUE, FINCH_RESETS_BEFORE),)),
    Path("worker died before the POST", leads=(Trap(SEND, KILLED_AFTER),)),
    Path("worker died after the POST", leads=(Trap(ENQUEUE, KILLED_AFTER),)),
    Path("rate-limited", leads=(Trap(ENQUEUE, FINCH_RATE_LIMITS),)),
    Path("refused", leads=(Trap(ENQUEUE, FINCH_QUOTA_USED_UP),)),
    Path("execution not started", leads=(Trap(START, AWS_THROTTLES_FOR_LONG),)),
    Path("execution stopped", stopped=True),
)
OF_NOBODY = Path("calls for no connection", (Kind.KEYED, Kind.DIRECT))
"""Reading the secret and the pause, and finding what is due: the steps that no connection owns."""

_ORDINARY = (6, 3, 1, 3)
"""How often the first four paths are taken, relative to each other, where no fault is wanted.

Ticks are few: one connection has them all, and those that come while it is held wait a minute each.
"""

STOPPED = "execution stopped from outside"


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """A moment at which the function can die: on a path, at a step, before, during or after the call."""

    path: str
    trap: Trap


@dataclass(frozen=True, slots=True)
class Trigger:
    """One trigger, and what it meets.

    Attributes:
        copies: how often the same is asked for, at once.
        again: whether it is asked for once more, after the end.
        rival: whether another caller asks for the same connection at the same time.
        patient: whether its caller keeps asking until it is told an end.
        traps: the faults that are tried on its path, after those that lead there.
        event: what happens to the whole stack meanwhile.
    """

    number: int
    connection: str
    kind: Kind
    path: Path
    copies: int = 1
    again: bool = False
    rival: bool = False
    patient: bool = True
    traps: tuple[Trap, ...] = ()
    event: Event | None = None

    @property
    def key(self) -> str:
        """Its idempotency key, if it has one."""
        return f"trigger-{self.number}"

    @property
    def crash_points(self) -> tuple[CrashPoint, ...]:
        """Those of its traps that kill."""
        return tuple(CrashPoint(self.path.name, trap) for trap in self.traps if trap.fault.kills)


def crash_points(steps: Mapping[str, Sequence[str]]) -> list[CrashPoint]:
    """Every moment at which the function can die, given the steps of each path."""
    return [
        CrashPoint(path, Trap(step, kill)) for path, names in sorted(steps.items()) for step in names for kill in KILLS
    ]


def make_plan(
    seed: int,
    triggers: int,
    connections: Sequence[str],
    ticked: str,
    steps: Mapping[str, Sequence[str]],
    *,
    patient: bool,
    fault_share: float = 0.4,
) -> list[Trigger]:
    """Plan triggers.

    Every crash point comes once before any comes twice; between two of them comes a fault of another kind.

    Args:
        seed: what everything is drawn from.
        triggers: how many.
        connections: the connections that callers use, each in turn.
        ticked: the connection that the schedule enqueues.
        steps: the steps of each path, as observed.
        patient: whether faults are drawn that outlast a client's patience.
        fault_share: how many of the triggers meet a fault, at least.
    """
    draw = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    paths = {path.name: path for path in (*PATHS, OF_NOBODY)}
    deck = crash_points(steps)
    draw.shuffle(deck)
    kills, places = itertools.cycle(deck), [(path, step) for path, names in sorted(steps.items()) for step in names]

    def faulted() -> Iterator[tuple[Path, Trap]]:
        while True:
            crash = next(kills)
            yield paths[crash.path], crash.trap
            path, step = draw.choice(places)
            yield paths[path], Trap(step, draw.choice(faults_of(step, patient=patient)))

    pairs, turn, planned = faulted(), itertools.cycle(connections), []
    for number in range(1, triggers + 1):
        [path], traps = draw.choices(PATHS[:4], _ORDINARY), list[Trap]()
        if draw.random() < fault_share:
            path, trap = next(pairs)
            traps = [trap]
        kind = draw.choice(path.kinds)
        planned.append(
            Trigger(
                number,
                ticked if kind is Kind.TICK else next(turn),
                kind,
                path,
                copies=draw.choice((1, 1, 1, 2, 3)),
                again=draw.random() < 0.25,
                rival=kind is not Kind.TICK and draw.random() < 0.15,
                patient=draw.random() < 0.8,
                traps=tuple(traps),
                event=draw.choice(EVENTS) if draw.random() < 0.03 else None,
            )
        )
    return planned


def rehearsal(connections: Sequence[str], ticked: str) -> list[Trigger]:
    """One trigger for each path, with nothing but what leads onto it, each on a connection of its own."""
    return [
        Trigger(-position, ticked if path.kinds == (Kind.TICK,) else connection, path.kinds[0], path, patient=False)
        for position, (path, connection) in enumerate(zip(PATHS, connections, strict=False), start=1)
    ]
