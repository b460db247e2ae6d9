"""How much memory a cold enqueue takes at its peak: a median of fresh processes, measured in turn."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks import builds, workload
from benchmarks.cold import ALLOWANCE
from benchmarks.endpoints import running_services
from benchmarks.rows import Row

_TURNS = 5


def rows() -> Iterator[Row]:
    """Give the row: ours against a naive build, and what is held where the goal is out of the libraries' reach."""
    event = workload.enqueue()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_services(workload.answers(), Path(folder), None) as services,
    ):
        builds.ours().run(services, [event], counted=False)
        variants = {
            "ours": builds.ours(),
            "naive": builds.naive(),
            "libraries": builds.libraries(list(services.calls), services),
        }
        peaks: dict[str, list[int]] = {name: [] for name in variants}
        for _ in range(_TURNS):
            for name, build in variants.items():
                peaks[name].append(build.run(services, [event], counted=False).peak_kib)
    mib = {name: median(each) / 1024 for name, each in peaks.items()}
    yield Row(
        "peak RSS, cold enqueue / naive",
        mib["ours"] / mib["naive"],
        at_most=0.55,
        held=ALLOWANCE * mib["libraries"] / mib["naive"],
        note=f"{mib['ours']:.1f} MiB against {mib['naive']:.1f} MiB; the libraries by themselves take "
        f"{mib['libraries']:.1f} MiB, {mib['libraries'] / mib['naive']:.2f}, and {ALLOWANCE:.2f} times that is held",
    )
