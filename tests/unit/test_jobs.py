"""Finch's jobs, and whether we still follow them."""

import json
import string
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from finch_sync.jobs import (
    KNOWN_STATUSES,
    MAX_RESTARTS,
    TERMINAL_STATUSES,
    Job,
    Report,
    Tracking,
    accepted_job,
    is_job_id,
    may_restart,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SAFE = string.ascii_letters + string.digits + "_-"
TIMES = ("created_at", "scheduled_at", "started_at", "completed_at")
RUNNING: dict[str, Any] = {"job_id": "c3e1dbbe-6eb3-4d87-ba00-ab2673862f9f", "status": "in_progress"}

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def a_job(**changes: Any) -> Job:
    return accepted_job("acme", "j-1", now=NOW, deadline=NOW + timedelta(hours=6)).model_copy(update=changes)


# --- ids --------------------------------------------------------------------------------------------------------------


@given(st.text(SAFE, min_size=1, max_size=64))
def test_a_word_of_safe_letters_is_a_job_id(text: str) -> None:
    assert is_job_id(text)
    assert Report.model_validate(RUNNING | {"job_id": text}).job_id == text


@given(st.text().filter(lambda text: not set(text) <= set(SAFE)) | st.text(SAFE, min_size=65) | st.just(""))
def test_nothing_else_is_a_job_id(text: str) -> None:
    assert not is_job_id(text)
    with pytest.raises(ValidationError):
        Report.model_validate(RUNNING | {"job_id": text})


@pytest.mark.parametrize("text", ["../jobs", "a/b", "a b", "a\n", "a#b", "a?b", "é", "٣"])
def test_what_could_lead_elsewhere_is_no_job_id(text: str) -> None:
    assert not is_job_id(text)
    with pytest.raises(ValidationError):
        Report.model_validate(RUNNING | {"job_id": text})


# --- reports ----------------------------------------------------------------------------------------------------------


def test_a_report_says_when_things_happened() -> None:
    report = Report.model_validate(RUNNING | dict.fromkeys(TIMES, "2026-11-22T13:00:00+01:00"))

    assert {getattr(report, name) for name in TIMES} == {NOW}


def test_a_time_without_a_zone_is_utc() -> None:
    assert Report.model_validate(RUNNING | {"created_at": "2026-11-22T12:00:00"}).created_at == NOW


@pytest.mark.parametrize("name", [*TIMES, "params"])
def test_what_finch_leaves_out_and_what_it_gives_as_null_is_the_same(name: str) -> None:
    assert Report.model_validate(RUNNING | {name: None}) == Report.model_validate(RUNNING)


@pytest.mark.parametrize("garbage", ["yesterday", "", "2026-13-45T99:00:00Z", {}, [], {"at": 1}, True])
@pytest.mark.parametrize("name", TIMES)
def test_a_garbled_time_is_worth_less_than_the_job_that_carries_it(name: str, garbage: object) -> None:
    report = Report.model_validate(RUNNING | {name: garbage})

    assert report.status == "in_progress"
    assert getattr(report, name) is None


@given(st.dictionaries(st.sampled_from([*TIMES, "params"]) | st.text().filter(lambda t: t not in RUNNING), anything))
def test_no_field_but_id_type_and_status_can_make_a_report_unreadable(fields: dict[str, Any]) -> None:
    fields.pop("type", None)

    report = Report.model_validate_json(json.dumps(fields | RUNNING))

    assert (report.job_id, report.status) == (RUNNING["job_id"], RUNNING["status"])


@given(st.text(min_size=1, max_size=64).filter(lambda word: word not in KNOWN_STATUSES))
def test_a_status_that_nobody_knows_is_kept_as_it_is_and_is_no_end(word: str) -> None:
    report = Report.model_validate(RUNNING | {"status": word})

    assert report.status == word
    assert not report.ended


@pytest.mark.parametrize("word", sorted(KNOWN_STATUSES))
def test_the_four_final_words_are_an_end_and_the_others_are_not(word: str) -> None:
    assert Report.model_validate(RUNNING | {"status": word}).ended is (word in TERMINAL_STATUSES)


@pytest.mark.parametrize("body", [{"job_id": "a"}, {"status": "complete"}, {"job_id": "a", "status": ""}, {}, []])
def test_a_report_without_id_or_status_is_none(body: object) -> None:
    with pytest.raises(ValidationError):
        Report.model_validate(body)


# --- executions -------------------------------------------------------------------------------------------------------


@given(st.sampled_from(Tracking), st.timedeltas(timedelta(0), timedelta(days=2)), st.integers(0, 2 * MAX_RESTARTS))
def test_a_dead_execution_is_replaced_while_its_job_is_followed_and_due_and_few_of_them_died(
    tracking: Tracking, later: timedelta, deaths: int
) -> None:
    # However often a webhook had it looked at by another execution: those did not die.
    job = a_job(tracking=tracking, restarts=100, deaths=deaths)

    wanted = tracking is Tracking.ACTIVE and NOW + later < job.deadline and deaths < MAX_RESTARTS
    assert may_restart(job, NOW + later) is wanted


def test_the_deadline_itself_is_too_late_for_a_restart() -> None:
    job = a_job()

    assert may_restart(job, job.deadline - timedelta(milliseconds=1))
    assert not may_restart(job, job.deadline)


@given(st.text(SAFE, min_size=1, max_size=64), st.integers(0, MAX_RESTARTS))
def test_each_execution_of_a_job_has_a_name_of_its_own_that_step_functions_takes(job_id: str, restarts: int) -> None:
    """At most 80 characters (Step Functions API, StartExecution)."""
    names = {a_job(job_id=job_id, restarts=number).execution_name for number in range(restarts + 1)}

    assert len(names) == restarts + 1
    assert all(len(name) <= 80 and name.split(".")[0] == job_id for name in names)
