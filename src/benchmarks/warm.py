"""A warm invocation: the difference between many and few in one process, in instructions."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import builds, workload
from benchmarks.cold import ALLOWANCE
from benchmarks.endpoints import running_services
from benchmarks.rows import Row

_FEW, _MANY = 10, 110


def enqueue_rows() -> Iterator[Row]:
    """Give the row of a warm enqueue."""
    yield _against_by_hand("enqueue", 1.10)


def poll_rows() -> Iterator[Row]:
    """Give the row of a warm look."""
    yield _against_by_hand("poll", 1.6)


def _against_by_hand(path: str, goal: float) -> Row:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_services(workload.answers(), Path(folder), None) as services,
    ):
        ours = builds.ours()
        ours.run(services, _events(path, 1), counted=False)
        cold = len(services.calls)
        services.calls.clear()
        ours.run(services, _events(path, 2), counted=False)
        calls = services.calls[cold:]
        variants = {
            "ours": ours, "floor": builds.by_hand(calls, services), "libraries": builds.libraries(calls, services)
        }  # fmt: skip
        spent = {}
        for name, build in variants.items():
            few, many = (build.run(services, _events(path, n), counted=True).instructions for n in (_FEW, _MANY))
            spent[name] = (many - few) / (_MANY - _FEW)
    libraries = spent["libraries"] / spent["floor"]
    return Row(
        f"warm {path} / the same calls by hand",
        spent["ours"] / spent["floor"],
        at_most=goal,
        held=ALLOWANCE * libraries,
        note=f"{spent['ours'] / 1e3:.0f} k instructions against {spent['floor'] / 1e3:.0f} k; the libraries by "
        f"themselves take {spent['libraries'] / 1e3:.0f} k, {libraries:.2f}, and {ALLOWANCE:.2f} times that is held; "
        + ", ".join(call.operation for call in calls),
    )


def _events(path: str, number: int) -> list[dict[str, Any]]:
    return [workload.enqueue(n) if path == "enqueue" else workload.poll() for n in range(number)]
