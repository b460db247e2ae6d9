"""The benchmarks: `python -m benchmarks` runs all that have rows."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import cold, following, memory, package, throughput, unused, warm
from benchmarks import frontier as picture
from benchmarks import polling as polling_rows
from benchmarks import scale as simulation
from benchmarks.rows import Row, show, write

app = typer.Typer(help=__doc__, add_completion=False, pretty_exceptions_enable=False)
console = Console(width=None if sys.stdout.isatty() else 180)

Json = Annotated[Path, typer.Option("--json", help="Where to write the rows as JSON.")]
OUTCOME = Path(".local/bench.json")
Source = Callable[[], Iterable[Row]]
COUNTED: tuple[Source, ...] = (
    package.rows, unused.rows, cold.enqueue_rows, cold.poll_rows, warm.enqueue_rows, warm.poll_rows, memory.rows,
    following.rows, polling_rows.rows, simulation.rows,
)  # fmt: skip
"""What does not depend on the machine's load: CI holds these."""
ALL_ROOTS: tuple[Source, ...] = (cold.rows_with_all_roots,)
IN_REAL_TIME: tuple[Source, ...] = (throughput.rows,)


@app.callback(invoke_without_command=True)
def everything(
    context: typer.Context,
    json: Json = OUTCOME,
    *,
    counted: Annotated[bool, typer.Option("--counted", help="Only what CI holds.")] = False,
) -> None:
    """Run every benchmark."""
    if context.invoked_subcommand is None:
        rows = _at_once(COUNTED) if counted else [*_at_once(COUNTED + ALL_ROOTS), *_at_once(IN_REAL_TIME)]
        _report(rows, json)


@app.command()
def polling(json: Json = OUTCOME) -> None:
    """The polling policy against the exact optimum."""
    _report(list(polling_rows.rows()), json)


@app.command()
def frontier(
    out: Annotated[Path, typer.Option(help="The picture to write.")] = Path("docs/polling-frontier.svg"),
) -> None:
    """Draw looks against delay: the peers' default policies, ours, and the optimum."""
    picture.draw(out)
    console.print(f"wrote {out}")


@app.command()
def scale(json: Json = Path(".local/scale.json")) -> None:
    """Simulate many connections on one schedule, against Finch's and AWS's limits."""
    loads = simulation.loads()
    table = Table("connections", "last start, h", "requests / 5 min", "transitions / s", "starts / s", "polls / job",
                  "delay, s", "$ / million jobs")  # fmt: skip
    for load in loads:
        table.add_row(
            f"{load.connections:,}",
            f"{load.last_start_hours:.1f}",
            f"{load.requests:,} of {simulation.FINCH_REQUESTS:,}",
            f"{load.transitions} of {simulation.TRANSITIONS_A_SECOND}",
            f"{load.starts} of {simulation.START_EXECUTIONS_A_SECOND}",
            f"{load.polls:.1f}",
            f"{load.delay:.0f}",
            f"{load.dollars_a_million:,.0f}",
        )
    console.print(table)
    console.print("What each size changes:", *simulation.what_changes(loads), sep="\n- ", highlight=False)
    _report(simulation.rows(), json)


def _at_once(sources: Sequence[Source]) -> list[Row]:
    """Give the rows of sources that run side by side, one more than there are cores, for some of them mostly wait."""
    with ProcessPoolExecutor((os.cpu_count() or 1) + 1) as processes:
        return [row for rows in processes.map(_taken, sources) for row in rows]


def _taken(source: Source) -> list[Row]:
    return list(source())


def _report(rows: list[Row], path: Path) -> None:
    show(rows, console)
    write(rows, path)
    if any(row.passed is False for row in rows):
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
