"""What happened to a job, on a line: waits, looks and failed looks, or its statuses. Pure, but for how it is drawn."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import HistoryEventTypeDef

WIDTH = 60


class Mark(Enum):
    """What a part of the line shows: its character, and its colour."""

    WAIT = ("─", "bright_black")
    LOOK = ("●", "green")
    FAILED_LOOK = ("✗", "red")
    WAIT_AFTER_FAILURE = ("╌", "red")
    ANNOUNCED = ("◆", "magenta")
    PENDING = ("░", "yellow")
    RUNNING = ("▒", "cyan")

    @property
    def told(self) -> str:
        """What it means, for the legend."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True)
class Span:
    """Something that lasted; what still lasts has no end."""

    mark: Mark
    start: datetime
    end: datetime | None = None


@dataclass(frozen=True)
class Story:
    """All that an execution did so far."""

    spans: tuple[Span, ...]
    next_look: datetime | None = None


_STATES = {
    "Wait": Mark.WAIT,
    "Poll": Mark.LOOK,
    "WaitAfterFailure": Mark.WAIT_AFTER_FAILURE,
    "Announce": Mark.ANNOUNCED,
}
_LASTING = frozenset({Mark.WAIT, Mark.WAIT_AFTER_FAILURE, Mark.PENDING, Mark.RUNNING})
_FAILURES = ("TaskFailed", "TaskTimedOut", "TaskStartFailed", "TaskSubmitFailed")


def told_by(history: Iterable["HistoryEventTypeDef"]) -> Story:
    """Read the history of a job's execution (Step Functions API, GetExecutionHistory)."""
    spans: list[Span] = []
    next_look = None
    for event in history:
        if (details := event.get("stateEnteredEventDetails")) is not None:
            spans = _closed(spans, event["timestamp"])
            next_look = None
            mark = _STATES.get(details["name"])
            if mark is not None:
                spans.append(Span(mark, event["timestamp"]))
            if mark is Mark.WAIT:
                seconds = json.loads(details.get("input", "{}")).get("wait_seconds")
                next_look = None if seconds is None else event["timestamp"] + timedelta(seconds=seconds)
        elif event["type"] in _FAILURES and spans and spans[-1].mark in {Mark.LOOK, Mark.FAILED_LOOK}:
            spans[-1] = Span(Mark.FAILED_LOOK, spans[-1].start, event["timestamp"])
            spans.append(Span(Mark.LOOK, event["timestamp"]))  # a retry, unless the next event says otherwise
        elif event["type"].startswith("Execution") and event["type"] != "ExecutionStarted":
            spans, next_look = _closed(spans, event["timestamp"]), None
    return Story(tuple(spans), next_look)


def _closed(spans: list[Span], moment: datetime) -> list[Span]:
    if not spans or spans[-1].end is not None:
        return spans
    *before, last = spans
    if before and before[-1].mark is Mark.FAILED_LOOK and before[-1].end == last.start == moment:
        return before  # no retry came
    return [*before, Span(last.mark, last.start, moment)]


def drawn(spans: Sequence[Span], now: datetime, width: int = WIDTH) -> Text:
    """Draw spans to scale. A look is short: it has its character wherever it falls, and covers what lasts."""
    if not spans:
        return Text("·" * width, style="bright_black")
    begun = min(span.start for span in spans)
    until = max([span.end or now for span in spans])
    scale = max((until - begun).total_seconds(), 0.001) / width

    def column(moment: datetime) -> int:
        return min(width - 1, int((moment - begun).total_seconds() / scale))

    cells = [Mark.WAIT] * width
    for span in sorted(spans, key=lambda each: each.mark not in _LASTING):
        first = column(span.start)
        last = column(span.end or now) if span.mark in _LASTING else first
        cells[first : last + 1] = [span.mark] * (last + 1 - first)
    line = Text()
    for mark in cells:
        character, style = mark.value
        line.append(character, style=style)
    return line


def legend(spans: Iterable[Span]) -> Text:
    """Say what the characters of a line mean."""
    text = Text()
    for mark in dict.fromkeys(span.mark for span in spans):
        character, style = mark.value
        text.append(f"{character} ", style=style).append(f"{mark.told}  ", style="bright_black")
    return text
