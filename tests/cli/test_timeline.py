"""The line that `finch-sync watch` draws, from histories as Step Functions gives them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from finch_sync_cli.timeline import Mark, Span, drawn, told_by

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def entered(seconds: float, state: str, **given: Any) -> Any:
    details = {"name": state, "input": json.dumps(given)}
    return {"timestamp": at(seconds), "type": "StateEntered", "stateEnteredEventDetails": details}


def happened(seconds: float, kind: str) -> Any:
    return {"timestamp": at(seconds), "type": kind}


def test_waits_and_looks_follow_one_another() -> None:
    story = told_by(
        [
            happened(0, "ExecutionStarted"),
            entered(0, "Wait", wait_seconds=20),
            happened(20, "WaitStateExited"),
            entered(20, "Poll"),
            happened(21, "TaskSucceeded"),
            entered(21, "Decide"),
            entered(21, "Wait", wait_seconds=9),
        ]
    )
    assert story.spans == (Span(Mark.WAIT, at(0), at(20)), Span(Mark.LOOK, at(20), at(21)), Span(Mark.WAIT, at(21)))
    assert story.next_look == at(30)


def test_every_attempt_of_a_look_that_fails_is_seen() -> None:
    story = told_by(
        [
            entered(0, "Poll"),
            happened(1, "TaskFailed"),
            happened(3, "TaskScheduled"),
            happened(4, "TaskTimedOut"),
            happened(4, "TaskStateExited"),
            entered(4, "WaitAfterFailure"),
            entered(64, "Poll"),
            happened(65, "TaskSucceeded"),
            entered(65, "Decide"),
            entered(65, "Announce"),
            happened(66, "ExecutionSucceeded"),
        ]
    )
    assert story.spans == (
        Span(Mark.FAILED_LOOK, at(0), at(1)),
        Span(Mark.FAILED_LOOK, at(1), at(4)),
        Span(Mark.WAIT_AFTER_FAILURE, at(4), at(64)),
        Span(Mark.LOOK, at(64), at(65)),
        Span(Mark.ANNOUNCED, at(65), at(66)),
    )
    assert story.next_look is None


def test_the_line_is_to_scale_and_a_look_is_never_hidden() -> None:
    spans = [Span(Mark.WAIT, at(0), at(8)), Span(Mark.LOOK, at(8), at(8.01)), Span(Mark.WAIT, at(8.01))]
    assert drawn(spans, at(10), width=10).plain == "────────●─"


def test_a_look_at_the_very_end_is_on_the_line() -> None:
    spans = [Span(Mark.WAIT, at(0), at(10)), Span(Mark.LOOK, at(10), at(10))]
    assert drawn(spans, at(10), width=5).plain == "────●"


def test_statuses_share_the_line_as_they_shared_the_time() -> None:
    spans = [Span(Mark.PENDING, at(0), at(2)), Span(Mark.RUNNING, at(2), at(10))]
    assert drawn(spans, at(10), width=10).plain == "░░▒▒▒▒▒▒▒▒"


def test_nothing_yet_is_a_line_too() -> None:
    assert drawn([], START, width=4).plain == "····"
