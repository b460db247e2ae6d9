"""Many connections on one schedule, against what Finch and AWS allow: a simulation of one tick's jobs to their ends."""

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from benchmarks.durations import AUTOMATED, LONGEST
from benchmarks.peers import fixed
from benchmarks.polling import ours
from benchmarks.rows import Row
from benchmarks.spending import Policy
from finch_sync.polling import JITTER
from finch_sync.schedule import STARTS_PER_MINUTE, WORKERS
from finch_sync.sweep import JOBS_AT_ONCE

CONNECTIONS = (10, 100, 1_000, 100_000)
CALL_SECONDS = 0.35
"""What one enqueue takes (assumed)."""

FINCH_REQUESTS = 1_000
FINCH_WINDOW_SECONDS = 300
"""Per address; more costs an hour's block (Finch developer guide, "Rate Limits")."""

SECRET_BYTES = 65_536
CONNECTION_BYTES = 200
"""What Secrets Manager takes (its guide, "Quotas"), and what a connection with one caller takes of it, about."""

SANDBOX_CONNECTIONS = 100
"""Per Finch application."""

START_EXECUTIONS_A_SECOND = 300
TRANSITIONS_A_SECOND = 500
"""The refill of Step Functions' buckets, the lowest of all regions (Step Functions guide, "Service quotas")."""

DOLLARS_A_TRANSITION = 25e-6
SAMPLE_WAIT = 60.0
"""The fixed wait of AWS's job poller sample."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one tick makes of so many connections.

    Attributes:
        connections: how many there are.
        last_start_hours: when the last of them is started.
        requests: the most requests to Finch in any 5 minutes, from one address.
        transitions: the most state transitions in any second.
        starts: the most executions started in any second.
        polls: looks at a job, on average.
        delay: seconds from a job's end to the look that finds it, on average.
    """

    connections: int
    last_start_hours: float
    requests: int
    transitions: int
    starts: int
    polls: float
    delay: float

    @property
    def dollars_a_million(self) -> float:
        """State transitions of a million jobs: Wait, Poll, Decide for each look, and the end."""
        return 1e6 * (3 * self.polls + 1) * DOLLARS_A_TRANSITION

    @property
    def addresses(self) -> int:
        """How many addresses these requests need."""
        return ceil(self.requests / FINCH_REQUESTS)


def simulate(connections: int, policy: Policy, *, starts_a_minute: int = STARTS_PER_MINUTE, seed: int = 1) -> Load:
    """Start a job for each connection as the schedule does, and look at each as the policy says, until it is found.

    Nothing is known of any connection and all are automated: the first tick, which asks for the most looks.
    """
    draw = np.random.default_rng(seed)
    position = np.arange(connections)
    minute, of_minute = position // starts_a_minute, position % starts_a_minute
    start = 60.0 * minute + CALL_SECONDS * (of_minute // WORKERS)
    parts = draw.choice(len(AUTOMATED), size=connections, p=[part.weight for part in AUTOMATED])
    centres, spreads = (np.array([getattr(p, name) for p in AUTOMATED])[parts] for name in ("centre", "spread"))
    duration = np.exp(centres + spreads * draw.standard_normal(connections))
    wait_at, waits = _waits(policy)

    looked, elapsed, running = [], np.zeros(connections), np.ones(connections, dtype=bool)
    while running.any():
        now = elapsed[running]
        jitter = 1 + JITTER * draw.uniform(-1, 1, len(now))
        elapsed[running] = now + np.ceil(np.interp(now, wait_at, waits) * jitter)
        looked.append(start[running] + elapsed[running])
        running &= elapsed < duration
    looks = np.concatenate(looked)
    return Load(
        connections,
        float(start[-1]) / 3600,
        _most_within(np.concatenate([start, looks]), FINCH_WINDOW_SECONDS),
        3 * _most_within(looks, 1),
        _most_within(start, 1),
        len(looks) / connections,
        float((elapsed - duration).mean()),
    )


def _waits(policy: Policy) -> tuple[Any, Any]:
    """The policy's waits at enough elapsed times to interpolate between: asking it for every look takes minutes."""
    elapsed = np.concatenate([[0.0], np.geomspace(1, 10 * LONGEST, 1500)])
    return elapsed, np.array([policy(float(moment)) for moment in elapsed])


def _most_within(moments: Any, seconds: float) -> int:
    ordered = np.sort(moments)
    ends = np.searchsorted(ordered, ordered + seconds, side="left")
    return int((ends - np.arange(len(ordered))).max())


def loads() -> list[Load]:
    """Each size under the project's own spreading and policy."""
    return [simulate(connections, ours()) for connections in CONNECTIONS]


def rows() -> list[Row]:
    """What has to hold up to a thousand connections, and the cost against AWS's sample."""
    thousand = simulate(1_000, ours())
    sample = simulate(1_000, fixed(SAMPLE_WAIT))
    at_once = simulate(1_000, ours(), starts_a_minute=1_000)
    return [
        Row(
            "scale, 1,000 connections: requests to Finch in any 5 minutes",
            thousand.requests,
            at_most=0.9 * FINCH_REQUESTS,
            note=f"{STARTS_PER_MINUTE} starts a minute; {at_once.requests} if all started at once",
        ),
        Row("scale, 1,000 connections: transitions in any second", thousand.transitions, at_most=TRANSITIONS_A_SECOND),
        Row("scale, 1,000 connections: executions started in any second", thousand.starts,
            at_most=START_EXECUTIONS_A_SECOND),
        Row(
            "scale: cost of a million jobs / AWS's sample poller's",
            thousand.dollars_a_million / sample.dollars_a_million,
            at_most=1.0,
            note=f"${thousand.dollars_a_million:,.0f} for {thousand.delay:.0f} s of delay, nothing known; "
            f"the sample ${sample.dollars_a_million:,.0f} for {sample.delay:.0f} s",
        ),
    ]  # fmt: skip


def what_changes(loads: list[Load]) -> list[str]:
    """What each size asks for beyond the one before."""
    hundred, thousand, largest = loads[1], loads[2], loads[3]
    starts = ceil(largest.connections / 1440)
    a_day = simulate(largest.connections, ours(), starts_a_minute=starts)
    return [
        "10: nothing does.",
        (
            f"100: a tick's starts take {60 * hundred.last_start_hours:.0f} minutes. A sandbox application holds "
            f"{SANDBOX_CONNECTIONS} connections: more need a second application, whose tokens go into the same secret."
        ),
        (
            f"1,000: they take {thousand.last_start_hours:.1f} hours, so the schedule may be no more frequent. One "
            "address is enough if nobody shares it: outside a VPC, Lambda's are shared with strangers, so the function "
            f"goes behind a NAT gateway. A secret holds {SECRET_BYTES} bytes, about "
            f"{SECRET_BYTES // CONNECTION_BYTES} connections: several stacks, or several secrets."
        ),
        (
            f"100,000: they take {largest.last_start_hours / 24:.1f} days. Within one day it is {starts} starts a "
            f"minute and {a_day.requests:,} requests in 5 minutes: {a_day.addresses} addresses or more, or a limit "
            f"agreed with Finch. Step Functions would not notice ({a_day.transitions} transitions and {a_day.starts} "
            "starts in the busiest second). Stacks side by side, each with its connections, secret and address, change "
            "nothing else; one stack would also need its tick's writes split over invocations and a sweep that sees "
            f"to more than {JOBS_AT_ONCE} jobs a minute."
        ),
    ]
