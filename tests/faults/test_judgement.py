"""The comparison of the ledgers: it finds each kind of harm, and nothing where there is none."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from fault_campaign.callers import Told
from fault_campaign.evidence import Asked, Evidence, FinchJob
from fault_campaign.journal import Call
from fault_campaign.judgement import findings
from fault_campaign.steps import ENQUEUE, ENQUEUE_AGAIN, LIST, SEND, Step

BODY = json.dumps({"job_id": "j1"})
ANSWER = {"status": 200, "body": BODY}


def call(number: int, name: str, key: str | None = "key:a", status: int | None = 200, *, ends: bool = False) -> Call:
    step = Step(name, "acme", key, holds=name == SEND, releases=ends)
    return Call(number, step, arrived=float(number), forwarded=number + 0.1, status=status, done=number + 0.2)


SENT, POSTED, ENDED = call(1, SEND), call(2, ENQUEUE), call(3, "end", ends=True)

CLEAN = Evidence(
    told=[Told(1, "acme", "key:a", 200, BODY, final=True)],
    calls=[SENT, POSTED, ENDED],
    finch_jobs=[FinchJob("j1", "acme", "complete")],
    effects={2: ("job_created", "j1")},
    requests={("acme", "key:a"): {"state": "accepted", "job_id": "j1", "answer": ANSWER}},
    jobs={("acme", "j1"): {"tracking": "done", "status": "complete"}},
    executions=[("j1", "SUCCEEDED")],
    asked=[Asked(1, "acme", "key:a")],
)


def test_nothing_is_found_where_all_three_ledgers_agree() -> None:
    assert findings(CLEAN) == []


CASES: dict[str, tuple[str, Callable[[Evidence], Evidence]]] = {
    "a job that no record holds": (
        "lost",
        lambda e: replace(e, finch_jobs=[*e.finch_jobs, FinchJob("j2", "acme", "complete")]),
    ),
    "a request that never ended": (
        "lost",
        lambda e: replace(e, requests={**e.requests, ("acme", "key:b"): {"state": "unknown"}}),
    ),
    "a job that never ended": (
        "lost",
        lambda e: replace(e, jobs={("acme", "j1"): {"tracking": "active", "status": "pending"}}),
    ),
    "a connection held for ever": ("lost", lambda e: replace(e, held={"acme": "key:a"})),
    "a caller told of a job that is not on record": (
        "lost",
        lambda e: replace(e, told=[Told(1, "acme", None, 200, json.dumps({"job_id": "j9"}))]),
    ),
    "a tick without a record": ("lost", lambda e: replace(e, asked=[Asked(1, "acme", "tick")])),
    "two jobs for one key": (
        "doubled",
        lambda e: replace(
            e,
            calls=[*e.calls, call(4, SEND), call(5, ENQUEUE)],
            effects={**e.effects, 5: ("job_created", "j2")},
        ),
    ),
    "a POST while another is unresolved": (
        "doubled",
        lambda e: replace(e, calls=[SENT, POSTED, call(4, ENQUEUE, "key:b")]),
    ),
    "a second POST of a request before anybody looked": (
        "doubled",
        lambda e: replace(e, calls=[SENT, POSTED, call(4, LIST, status=500), call(5, ENQUEUE_AGAIN)]),
    ),
    "a second POST of a request after too early a look": (
        "doubled",
        lambda e: replace(e, calls=[SENT, POSTED, call(4, LIST), call(5, ENQUEUE_AGAIN)], settle_seconds=20.0),
    ),
    "another status than Finch's": (
        "wrong",
        lambda e: replace(e, finch_jobs=[FinchJob("j1", "acme", "reauth_error")]),
    ),
    "tracking given up": ("wrong", lambda e: replace(e, jobs={("acme", "j1"): {"tracking": "lost", "status": "x"}})),
    "two answers for one key": (
        "wrong",
        lambda e: replace(e, told=[Told(1, "acme", "key:a", 200, BODY.replace(":", ": "))]),
    ),
    "two requests that brought one job": (
        "wrong",
        lambda e: replace(e, requests={**e.requests, ("acme", "key:b"): e.requests["acme", "key:a"]}),
    ),
    "an execution left running": ("wrong", lambda e: replace(e, executions=[("j1.1", "RUNNING")])),
}


@pytest.mark.parametrize("case", CASES)
def test_harm_is_found(case: str) -> None:
    harm, do = CASES[case]

    assert {finding.harm for finding in findings(do(CLEAN))} == {harm}


def test_a_second_post_after_a_look_is_no_harm() -> None:
    again = [SENT, POSTED, call(4, LIST), call(5, ENQUEUE_AGAIN), call(6, "end", ends=True)]

    assert findings(replace(CLEAN, calls=again)) == []


def test_a_post_after_the_connection_was_let_go_of_is_no_harm() -> None:
    assert (
        findings(replace(CLEAN, calls=[SENT, POSTED, ENDED, call(4, SEND, "key:b"), call(5, ENQUEUE, "key:b")])) == []
    )


def test_a_dead_letter_accounts_for_a_tick_without_a_record() -> None:
    assert findings(replace(CLEAN, asked=[Asked(1, "acme", "tick")], dead_letters=1)) == []
