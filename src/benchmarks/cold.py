"""A cold start: from the process's start to its first answer, over TLS, through AWS's runtime interface client.

In instructions, since those repeat to within a percent. What a function trusts is one root, so that what is ours weighs
most; loading a file of as many roots as botocore brings is a large part of any cold start, and the floor's too.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import builds, workload
from benchmarks.endpoints import Call, running_services
from benchmarks.processes import Measured
from benchmarks.rows import Row

CALLS = {
    "enqueue": ["GetSecretValue", "GetItem", "TransactWriteItems", "POST /sandbox/jobs", "TransactWriteItems",
                "GetItem", "StartExecution"],
    "poll": ["GetItem", "GetSecretValue", f"GET /jobs/automated/{workload.JOB_ID}"],
}  # fmt: skip
"""What a cold environment calls: the ledger's two transactions, the secret, the pause, what jobs took, the start."""

ALLOWANCE = 1.10
"""What our own code may add to what the libraries that it is written in take by themselves, where a goal is out of
their reach: as much as the goal for a warm enqueue allows over the same calls by hand."""

_GOALS = {"enqueue": 7.0, "poll": 6.0}


@dataclass(frozen=True)
class _Started:
    ours: Measured
    floor: Measured
    libraries: Measured
    calls: list[Call]


def enqueue_rows() -> Iterator[Row]:
    """Give the rows of a cold enqueue, and those that compare it with a naive build."""
    started = _start("enqueue", roots=False)
    yield from _rows("enqueue", started)
    naive = _naive()
    yield Row(
        "naive build / ours, cold enqueue: instructions",
        naive.instructions / started.ours.instructions,
        at_least=5,
        held=naive.instructions / (ALLOWANCE * started.libraries.instructions),
        note=f"{_millions(naive)} against {_millions(started.ours)}; {ALLOWANCE:.2f} times the libraries is held",
    )


def poll_rows() -> Iterator[Row]:
    """Give the rows of a cold look."""
    yield from _rows("poll", _start("poll", roots=False))


def rows_with_all_roots() -> Iterator[Row]:
    """Give the rows with as many roots as botocore brings."""
    for path, goal in _GOALS.items():
        yield _against_floor(f"cold {path}, all roots: instructions / floor", goal, _start(path, roots=True))


def _rows(path: str, started: _Started) -> Iterator[Row]:
    yield _against_floor(f"cold {path}: instructions / floor", _GOALS[path], started)
    operations = [call.operation for call in started.calls]
    yield Row(
        f"cold {path}: calls beyond those that are needed",
        float(len(operations) - len(CALLS[path])) if set(operations) == set(CALLS[path]) else 99.0,
        at_most=0,
        note=", ".join(operations),
    )


def _against_floor(name: str, goal: float, started: _Started) -> Row:
    ours, floor, libraries = started.ours, started.floor, started.libraries
    return Row(
        name,
        ours.instructions / floor.instructions,
        at_most=goal,
        held=ALLOWANCE * libraries.instructions / floor.instructions,
        note=f"{_millions(ours)} against {_millions(floor)}; the libraries by themselves take {_millions(libraries)}, "
        f"{libraries.instructions / floor.instructions:.2f}, and {ALLOWANCE:.2f} times that is held",
    )


def _start(path: str, *, roots: bool) -> _Started:
    event: dict[str, Any] = {"enqueue": workload.enqueue, "poll": workload.poll}[path]()
    bundle = builds.naive().folder / "botocore" / "cacert.pem" if roots else None
    with (
        tempfile.TemporaryDirectory() as folder,
        running_services(workload.answers(), Path(folder), bundle) as services,
    ):
        build = builds.ours()
        build.run(services, [event], counted=False)  # once, so that the standard library is compiled
        services.calls.clear()
        ours = build.run(services, [event], counted=True)
        calls = list(services.calls)
        libraries = builds.libraries(calls, services)
        libraries.run(services, [event], counted=False)
        return _Started(
            ours,
            builds.floor(calls, services, [event], counted=True),
            libraries.run(services, [event], counted=True),
            calls,
        )


def _naive() -> Measured:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_services(workload.answers(), Path(folder), None) as services,
    ):
        return builds.naive().run(services, [workload.enqueue()], counted=True)


def _millions(measured: Measured) -> str:
    return f"{measured.instructions / 1e6:.0f} M"
