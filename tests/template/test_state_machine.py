"""What the state machine's definition promises, whatever interprets it."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import pytest

from finch_sync import announcements, finch, polling, tracking
from finch_sync.polling import UNKNOWN, Durations
from tests.template.shipped import definition, template

MAX_EVENTS = 25_000
"""Events that an execution's history may hold (Step Functions guide, "Quotas", execution history size)."""


def states(kind: str) -> dict[str, dict[str, Any]]:
    return {name: state for name, state in definition()["States"].items() if state["Type"] == kind}


def successors(state: dict[str, Any]) -> Iterator[str]:
    for source in (state, *state.get("Choices", ()), *state.get("Catch", ())):
        if "Next" in source:
            yield source["Next"]
    if "Default" in state:
        yield state["Default"]


def numbers(value: object, path: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from numbers(child, f"{path}.{key}")
    elif isinstance(value, list):
        for child in value:
            yield from numbers(child, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value


def test_every_state_can_be_reached_and_every_next_exists() -> None:
    known, reached, to_visit = definition()["States"], set[str](), [definition()["StartAt"]]
    while to_visit:
        name = to_visit.pop()
        if name not in reached:
            reached.add(name)
            to_visit += successors(known[name])
    assert reached == set(known)


@pytest.mark.parametrize("name", states("Task"))
def test_a_task_has_a_timeout_and_a_retry(name: str) -> None:
    task = states("Task")[name]
    assert task["TimeoutSeconds"] > 0
    assert task["Retry"]
    for retry in task["Retry"]:
        assert retry["JitterStrategy"] == "FULL"
        assert {"IntervalSeconds", "BackoffRate", "MaxAttempts", "MaxDelaySeconds"} <= set(retry)


def test_a_poll_that_fails_is_caught_with_its_input_kept() -> None:
    last = states("Task")["Poll"]["Catch"][-1]
    assert last["ErrorEquals"] == ["States.ALL"]
    assert last["ResultPath"].startswith("$."), "the error would replace the input, which the next look needs"


@pytest.mark.parametrize("name", states("Choice"))
def test_a_choice_has_a_default_that_fails_by_name(name: str) -> None:
    assert definition()["States"][states("Choice")[name]["Default"]]["Type"] == "Fail"


def decisions(choice: str) -> set[str]:
    """What a Choice knows `next` to be."""
    rules = [each for rule in states("Choice")[choice]["Choices"] for each in rule.get("Or", [rule])]
    assert {rule["Variable"] for rule in rules} == {"$.next"}
    return {rule["StringEquals"] for rule in rules}


def test_every_decision_is_known() -> None:
    assert decisions("Decide") == set(tracking.Decision.model_json_schema()["properties"]["next"]["enum"])
    assert decisions("End") == decisions("Decide") - {"wait"}


def test_polls_are_retried_by_names_that_exist() -> None:
    retries = states("Task")["Poll"]["Retry"]
    ours = [name for retry in retries for name in retry["ErrorEquals"] if not name.startswith("Lambda.")]
    assert ours == [finch.FinchUnavailable.__name__]


def test_an_end_is_announced_as_the_function_worded_it_or_the_execution_fails_and_can_be_redriven() -> None:
    announce = states("Task")["Announce"]
    [entry] = announce["Parameters"]["Entries"]
    assert entry == {
        "EventBusName": "${EventBusName}",
        "Source": announcements.SOURCE,
        "DetailType.$": "$.announcement.detail_type",
        "Detail.$": "$.announcement.detail",
    }
    assert set(announcements.Announcement.model_fields) == {"detail_type", "detail"}
    assert [retry["ErrorEquals"] for retry in announce["Retry"]] == [["States.ALL"]]
    assert "Catch" not in announce
    assert announce["ResultPath"] is None, "EventBridge's answer would replace the decision"


def test_a_failure_says_its_own_name_and_why() -> None:
    assert states("Fail")
    for name, state in states("Fail").items():
        assert state["Error"] == name
        assert state["Cause"].endswith(".")


def test_the_definition_does_no_arithmetic() -> None:
    text = json.dumps(definition())
    assert "States.Math" not in text
    assert "{%" not in text
    assert definition().get("QueryLanguage", "JSONPath") == "JSONPath"
    assert {path.rpartition(".")[2] for path, _ in numbers(definition())} == {
        "TimeoutSeconds",
        "Seconds",
        "IntervalSeconds",
        "BackoffRate",
        "MaxAttempts",
        "MaxDelaySeconds",
    }
    [wait] = [state for state in states("Wait").values() if "SecondsPath" in state]
    assert wait["SecondsPath"] == "$.wait_seconds"
    assert "wait_seconds" in tracking.Decision.model_fields


def test_an_answer_replaces_the_state_so_that_nothing_accumulates() -> None:
    poll = states("Task")["Poll"]
    assert poll["OutputPath"] == "$.Payload"
    assert "ResultPath" not in poll
    assert poll["Parameters"]["Payload"] == {"poll.$": "$"}


def test_substitutions_are_all_filled() -> None:
    machine = template()["Resources"]["SyncJobStateMachine"]["Properties"]
    asked = set(re.findall(r"\$\{(\w+)\}", json.dumps(definition())))
    assert asked == set(machine["DefinitionSubstitutions"])


def test_the_machine_outlives_the_longest_deadline() -> None:
    assert definition()["TimeoutSeconds"] > template()["Parameters"]["JobDeadlineSeconds"]["MaxValue"]


@pytest.mark.parametrize(
    "known",
    [UNKNOWN, Durations(1, 1.0, 0.0), Durations(12, 3.0, 3.0), Durations(12, 8.0, 0.5), Durations(12, 11.0, 0.0)],
    ids=["unknown", "seconds once", "seconds, very spread", "an hour", "most of a day"],
)
def test_no_job_fills_an_executions_history(known: Durations) -> None:
    """Look or fail as often as can be, whichever writes more, for as long as the machine may run."""
    poll, announce = states("Task")["Poll"], states("Task")["Announce"]
    [after_failure] = [state["Seconds"] for state in states("Wait").values() if "Seconds" in state]
    attempts = 1 + sum(retry["MaxAttempts"] for retry in poll["Retry"])
    # Wait, Poll and Decide are entered and left; a task is scheduled, started and ended.
    look, failure = 2 + 2 + 3 + 2, 2 + 2 + 3 * attempts

    deadline = template()["Parameters"]["JobDeadlineSeconds"]["MaxValue"]
    # The execution's own start and end; Announce with all its attempts, and the Choice and the state after it.
    elapsed, events = 0.0, 2 + (2 + 3 * (1 + sum(retry["MaxAttempts"] for retry in announce["Retry"]))) + 2 + 2
    while elapsed < definition()["TimeoutSeconds"]:
        wait = polling.wait_seconds(elapsed, deadline - elapsed, known, jitter=-1) or math.inf
        # Full jitter can make every retry immediate.
        if look / wait > failure / after_failure:
            elapsed, events = elapsed + wait, events + look
        else:
            elapsed, events = elapsed + after_failure, events + failure
    assert events < MAX_EVENTS
