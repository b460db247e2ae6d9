"""Whoever subscribes to the bus hears of every job's end, whatever goes wrong on the way."""

import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
import urllib3

from finch_sandbox.faults import ErrorFault, Fault, FaultRule, Match, ResetFault, TruncatedFault
from finch_sync.announcements import SOURCE, Detail
from local_aws.stack import Stack
from tests.operate.buses import subscribed

pytestmark = pytest.mark.xdist_group("told_stack")

JOBS = 200
PATIENCE = 240.0
"""Seconds until all are enqueued, and until all are told: more than it takes on a machine that has much else to do."""
FAULTS: tuple[tuple[str, Fault, int], ...] = (
    ("POST", ResetFault(when="after"), 10),
    ("POST", TruncatedFault(), 10),
    ("POST", ErrorFault(answer="503_unavailable"), 5),
    ("POST", ResetFault(when="before"), 3),
    ("GET", ResetFault(), 10),
    ("GET", ErrorFault(answer="500_server_error"), 10),
    ("GET", TruncatedFault(), 10),
)
"""What Finch does, at random, and how often at most."""

ENDS = ("complete", "complete", "error", "reauth_error", "permissions_error")
SAID = {
    "complete": "Finch Sync Completed",
    "error": "Finch Sync Failed",
    "reauth_error": "Finch Sync Action Required",
    "permissions_error": "Finch Sync Action Required",
}


def control(stack: Stack, method: str, path: str, body: Any = None) -> Any:
    answer = urllib3.request(method, f"{stack.finch_url}/_sandbox/{path}", json=body)
    assert answer.status < 300, answer.data
    return answer.json()


def enqueue(stack: Stack, connection: str) -> str:
    """What a careful caller does: the same key again while the end is open, another where Finch failed for good."""
    token, key = stack.connections[connection], str(uuid4())
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        answer = urllib3.request(
            "POST",
            f"{stack.api_url}/sandbox/jobs",
            json={"type": "data_sync_all"},
            headers={"Authorization": f"Bearer {token}", "Idempotency-Key": key},
            timeout=60,
            retries=False,
        )
        if answer.status == 200:
            job_id: str = answer.json()["job_id"]
            return job_id
        if answer.headers.get("x-should-retry") == "false" or answer.status == 502:
            key = str(uuid4())
        time.sleep(1)
    pytest.fail(f"no answer for {connection}: {answer.status} {answer.data!r}")


def test_two_hundred_jobs_with_faults_are_each_told_under_one_id(told_stack: Stack) -> None:
    names = [name for name in told_stack.connections if name.startswith("many-")]
    assert len(names) == JOBS
    ends = {name: ENDS[number % len(ENDS)] for number, name in enumerate(names)}
    twice = set(names[::4])
    own = {name: {"completion_status": end, "webhook_duplicates": int(name in twice)} for name, end in ends.items()}
    control(told_stack, "PATCH", "settings", {"connections": own})
    for seed, (method, fault, times) in enumerate(FAULTS):
        rule = FaultRule(match=Match(method=method), fault=fault, times=times, probability=0.1, seed=seed)
        control(told_stack, "POST", "faults", rule.model_dump(mode="json"))

    events: dict[str, list[tuple[str, Detail]]] = defaultdict(list)
    with (
        subscribed(told_stack.session, told_stack.aws_endpoint_url, "default", {"source": [SOURCE]}) as consumer,
        ThreadPoolExecutor(16) as threads,
    ):
        try:
            jobs = dict(zip(threads.map(lambda name: enqueue(told_stack, name), names), names, strict=True))
            until = time.monotonic() + PATIENCE
            while not events.keys() >= jobs.keys() and time.monotonic() < until:
                for event in consumer.next(seconds=1):
                    detail = Detail.model_validate(event["detail"])
                    events[detail.job_id].append((event["detail-type"], detail))
        finally:
            hits = [rule["hit"] for rule in control(told_stack, "GET", "faults")]
            control(told_stack, "DELETE", "faults")
    made = {job["job_id"] for job in control(told_stack, "GET", "ledger")["jobs"] if job["connection"] in ends}

    assert all(hits), hits
    assert made == jobs.keys()
    assert made - events.keys() == set()
    for job_id, name in jobs.items():
        assert {detail.id for _, detail in events[job_id]} == {f"{job_id}.done"}
        said = {(detail_type, detail.connection, detail.status) for detail_type, detail in events[job_id]}
        assert said == {(SAID[ends[name]], name, ends[name])}
