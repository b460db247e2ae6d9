"""The panels, drawn."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dashboard_picture.embedded_metrics import Value
from dashboard_picture.widgets import Widget

PERIOD = 10
"""Seconds in which values are taken together. On AWS it is five minutes: a local run is over by then."""

_COLUMNS = 24


def draw(widgets: Sequence[Widget], values: Sequence[Value], out: Path) -> None:
    """Draw the widgets where the dashboard has them."""
    rows = max(widget.y + widget.height for widget in widgets)
    figure = Figure(figsize=(16, rows * 0.52), layout="constrained")
    grid = figure.add_gridspec(rows, _COLUMNS)
    first = min(value.at for value in values)
    last = max(value.at for value in values)
    for widget in widgets:
        axes = figure.add_subplot(grid[widget.y : widget.y + widget.height, widget.x : widget.x + widget.width])
        lines = _lines(widget, values, first)
        if widget.stacked:
            _stack(axes, lines)
        else:
            for number, (label, points) in enumerate(lines.items()):
                axes.plot([at for at, _ in points], [value for _, value in points], marker="o", markersize=3,
                          linewidth=1.3, label=label, color=f"C{number}")  # fmt: skip
        axes.set_title(widget.title, fontsize=11, loc="left", fontweight="bold")
        axes.set_xlim(0, last - first)
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, color="0.92")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
        if lines:
            axes.legend(fontsize=7.5, frameon=False, loc="upper left", ncols=2 if len(lines) > 4 else 1)
            axes.set_ylim(top=axes.get_ylim()[1] * 1.45)
    figure.supxlabel(f"seconds of a local run with faults, in periods of {PERIOD} s", fontsize=9)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=90)


def _lines(widget: Widget, values: Sequence[Value], first: float) -> dict[str, list[tuple[float, float]]]:
    lines: dict[str, list[tuple[float, float]]] = {}
    for wanted in widget.wanted:
        periods: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
        for value in values:
            if wanted.takes(value):
                periods[wanted.label(value)][(value.at - first) // PERIOD * PERIOD].append(value.value)
        for label, by_period in sorted(periods.items()):
            if wanted.stat == "Sum":  # nothing counted is none, and not unknown
                by_period.update({at: [0.0] for at in _periods(values, first) if at not in by_period})
            lines[label] = [(at, _statistic(wanted.stat, found)) for at, found in sorted(by_period.items())]
    return lines


def _periods(values: Sequence[Value], first: float) -> range:
    return range(0, int(max(value.at for value in values) - first) + 1, PERIOD)


def _statistic(name: str, values: list[float]) -> float:
    match name:
        case "Sum":
            return sum(values)
        case "Maximum":
            return max(values)
        case "Minimum":
            return min(values)
        case "Average":
            return sum(values) / len(values)
    if len(values) == 1:
        return values[0]
    return quantiles(values, n=100, method="inclusive")[int(name.removeprefix("p")) - 1]


def _stack(axes: Axes, lines: dict[str, list[tuple[float, float]]]) -> None:
    heights: dict[float, float] = defaultdict(float)
    for number, (label, points) in enumerate(lines.items()):
        axes.bar(
            [at + PERIOD / 2 for at, _ in points],
            [value for _, value in points],
            width=PERIOD * 0.9,
            bottom=[heights[at] for at, _ in points],
            label=label,
            color=f"C{number}",
        )
        for at, value in points:
            heights[at] += value
