"""A benchmark's outcome: rows with goals, as a table and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was measured.

    Attributes:
        name: what was measured.
        measured: the figure; the goals are for it.
        at_most: the goal, or None where there is none to reach.
        at_least: likewise.
        note: what else there is to know about the figure.
    """

    name: str
    measured: float
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.at_most is None and self.at_least is None:
            return None
        return (self.at_most is None or self.measured <= self.at_most) and (
            self.at_least is None or self.measured >= self.at_least
        )

    @property
    def goal(self) -> str:
        """The goal in words."""
        bounds = (("<=", self.at_most), (">=", self.at_least))
        return " and ".join(f"{sign} {bound:.3g}" for sign, bound in bounds if bound is not None)


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the table."""
    table = Table("row", "measured", "goal", "", "note", highlight=False)
    for row in rows:
        verdict = {True: "[green]pass[/]", False: "[red]FAIL[/]", None: ""}[row.passed]
        table.add_row(row.name, f"{row.measured:.3f}", row.goal, verdict, row.note)
    console.print(table)


def write(rows: Sequence[Row], path: Path) -> None:
    """Write the same as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(row) | {"passed": row.passed} for row in rows], indent=1) + "\n")
