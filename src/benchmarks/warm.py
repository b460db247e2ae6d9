"""A warm invocation: the difference between many and few in one process, in instructions."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import builds, workload
from benchmarks.endpoints import running_services
from benchmarks.rows import Row

_FEW, _MANY = 10, 60

_GOALS = {"enqueue": 1.10, "poll": 1.6}


def rows() -> Iterator[Row]:
    """Give the warm rows: ours against the same calls by hand."""
    for path, goal in _GOALS.items():
        with (
            tempfile.TemporaryDirectory() as folder,
            running_services(workload.answers(), Path(folder), None) as services,
        ):
            build = builds.ours()
            build.run(services, _events(path, 1), counted=False)
            cold = len(services.calls)
            services.calls.clear()
            build.run(services, _events(path, 2), counted=False)
            calls = services.calls[cold:]
            floor = builds.by_hand(calls, services)
            spent = {}
            for name, each in (("ours", build), ("floor", floor)):
                few, many = (each.run(services, _events(path, n), counted=True).instructions for n in (_FEW, _MANY))
                spent[name] = (many - few) / (_MANY - _FEW)
        yield Row(
            f"warm {path} / the same calls by hand",
            spent["ours"] / spent["floor"],
            at_most=goal,
            note=f"{spent['ours'] / 1e3:.0f} k instructions against {spent['floor'] / 1e3:.0f} k; "
            + ", ".join(call.operation for call in calls),
        )


def _events(path: str, number: int) -> list[dict[str, Any]]:
    return [workload.enqueue(n) if path == "enqueue" else workload.poll() for n in range(number)]
