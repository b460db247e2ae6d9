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
        held: the bound that takes the goal's place where that is out of reach. It comes from something else than this
            figure, and the note says from what.
        note: what else there is to know about the figure.
    """

    name: str
    measured: float
    at_most: float | None = None
    at_least: float | None = None
    held: float | None = None
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        return self._within(self.at_most, self.at_least)

    @property
    def passed(self) -> bool | None:
        """Whether nothing got worse: the bound is kept that is held, which is the goal where there is no other."""
        if self.held is None or self.reached is not False:
            return self.reached
        return self._within(self.held, None) if self.at_most is not None else self._within(None, self.held)

    def _within(self, at_most: float | None, at_least: float | None) -> bool | None:
        if at_most is None and at_least is None:
            return None
        return (at_most is None or self.measured <= at_most) and (at_least is None or self.measured >= at_least)

    @property
    def goal(self) -> str:
        """The goal in words."""
        bounds = (("<=", self.at_most), (">=", self.at_least))
        return " and ".join(f"{sign} {bound:.3g}" for sign, bound in bounds if bound is not None)

    @property
    def verdict(self) -> str:
        """How it stands with goal and bound, in a word."""
        if self.passed is None:
            return ""
        return "FAIL" if not self.passed else "pass" if self.reached else "missed, held"


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the table."""
    table = Table("row", "measured", "goal", "held", "", "note", highlight=False)
    colours = {"pass": "green", "missed, held": "yellow", "FAIL": "red", "": "none"}
    for row in rows:
        held = "" if row.held is None or row.reached else f"{row.held:.3g}"
        verdict = f"[{colours[row.verdict]}]{row.verdict}[/]"
        table.add_row(row.name, f"{row.measured:.3f}", row.goal, held, verdict, row.note)
    console.print(table)


def write(rows: Sequence[Row], path: Path) -> None:
    """Write the same as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    outcome = [asdict(row) | {"reached": row.reached, "passed": row.passed} for row in rows]
    path.write_text(json.dumps(outcome, indent=1) + "\n")
