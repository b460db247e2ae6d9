"""What the three ledgers say when they are compared. Pure."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from fault_campaign.evidence import FINAL_WORDS, Evidence
from fault_campaign.journal import Call
from fault_campaign.steps import ENQUEUE, ENQUEUE_AGAIN, LIST

Harm = Literal["lost", "doubled", "wrong"]
ENDED = frozenset({"accepted", "attached", "no_job", "rejected"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be, and where."""

    harm: Harm
    connection: str
    what: str
    key: str | None = None
    job_id: str | None = None


def findings(evidence: Evidence) -> list[Finding]:
    """Everything that was lost, doubled or recorded wrongly."""
    return [
        *_jobs_lost(evidence),
        *_never_ended(evidence),
        *_never_recorded(evidence),
        *_told_and_lost(evidence),
        *_doubled_for_a_key(evidence),
        *_posted_while_unresolved(evidence),
        *_jobs_wrong(evidence),
        *_answers_wrong(evidence),
        *_acceptance_wrong(evidence),
        *_executions_left(evidence),
    ]


def _jobs_lost(evidence: Evidence) -> Iterator[Finding]:
    for job in evidence.finch_jobs:
        if (job.connection, job.job_id) not in evidence.jobs:
            yield Finding("lost", job.connection, "Finch made a job that no record holds", job_id=job.job_id)


def _never_ended(evidence: Evidence) -> Iterator[Finding]:
    for (connection, key), request in evidence.requests.items():
        if request["state"] not in ENDED:
            yield Finding("lost", connection, f"a request never ended: {request['state']}", key=key)
    for (connection, job_id), job in evidence.jobs.items():
        if job["tracking"] == "active":
            yield Finding("lost", connection, "a job's record never ended", job_id=job_id)
    for connection, key in evidence.held.items():
        yield Finding("lost", connection, "a connection is held for ever", key=key)


def _never_recorded(evidence: Evidence) -> Iterator[Finding]:
    missing = [each for each in evidence.asked if (each.connection, each.key) not in evidence.requests]
    # A dead letter is a record too, and a person sees it.
    for each in missing[evidence.dead_letters :]:
        yield Finding("lost", each.connection, "a trigger left neither a record nor a dead letter", key=each.key)


def _told_and_lost(evidence: Evidence) -> Iterator[Finding]:
    for told in evidence.told:
        if told.status == 200:
            job_id = json.loads(told.body)["job_id"]
            if (told.connection, job_id) not in evidence.jobs:
                yield Finding(
                    "lost", told.connection, "a caller was told a job that is not on record", told.key, job_id
                )


def _doubled_for_a_key(evidence: Evidence) -> Iterator[Finding]:
    made = defaultdict(set)
    for call in evidence.calls:
        effect, job_id = evidence.effects.get(call.number, ("none", ""))
        if effect == "job_created" and call.step.connection is not None and call.step.key is not None:
            made[call.step.connection, call.step.key].add(job_id)
    for (connection, key), job_ids in made.items():
        if len(job_ids) > 1:
            yield Finding("doubled", connection, f"Finch made {len(job_ids)} jobs for one key", key)


def _posted_while_unresolved(evidence: Evidence) -> Iterator[Finding]:
    of_connection = defaultdict(list)
    for call in evidence.calls:
        of_connection[call.step.connection].append(call)
    for connection, calls in of_connection.items():
        posts = [call for call in calls if call.step.name in {ENQUEUE, ENQUEUE_AGAIN} and call.forwarded is not None]
        for earlier, later in pairwise(posts):
            if connection is not None and not _resolved_between(calls, earlier, later, evidence.settle_seconds):
                what = f"POST {later.number} reached Finch while POST {earlier.number} was unresolved"
                yield Finding("doubled", connection, what, later.step.key)


def _resolved_between(calls: Sequence[Call], earlier: Call, later: Call, settle_seconds: float) -> bool:
    """Whether the ledger let go of the connection between two POSTs, or looked late enough before a repetition.

    The moment at which a write took effect is not seen from outside. It lies between its forwarding and its answer; the
    first is taken.
    """
    for call in calls:
        if not call.took_effect or call.forwarded is None or not earlier.arrived <= call.forwarded <= later.arrived:
            continue
        if call.step.releases and call.step.key == earlier.step.key:
            return True
        repeats = later.step.name == ENQUEUE_AGAIN and later.step.key == earlier.step.key
        if repeats and call.step.name == LIST and call.arrived >= earlier.arrived + settle_seconds:
            return True
    return False


def _jobs_wrong(evidence: Evidence) -> Iterator[Finding]:
    for job in evidence.finch_jobs:
        record = evidence.jobs.get((job.connection, job.job_id))
        if record is None or record["tracking"] == "active":
            continue
        if record["tracking"] != "done" or record["status"] != job.status or job.status not in FINAL_WORDS:
            what = f"the record says {record['tracking']}, {record['status']}; Finch says {job.status}"
            yield Finding("wrong", job.connection, what, job_id=job.job_id)
    made = {(job.connection, job.job_id) for job in evidence.finch_jobs}
    for connection, job_id in evidence.jobs:
        if (connection, job_id) not in made:
            yield Finding("wrong", connection, "a record of a job that Finch did not make", job_id=job_id)


def _answers_wrong(evidence: Evidence) -> Iterator[Finding]:
    for told in evidence.told:
        if told.key is None or not (told.status == 200 or told.replayed):
            continue
        request = evidence.requests.get((told.connection, told.key))
        if request is None or "answer" not in request:
            yield Finding("wrong", told.connection, "a caller has an answer that is not on record", told.key)
        elif (told.status, told.body) != (int(request["answer"]["status"]), request["answer"]["body"]):
            yield Finding("wrong", told.connection, "two answers for one key", told.key)


def _acceptance_wrong(evidence: Evidence) -> Iterator[Finding]:
    accepted = defaultdict(list)
    for (connection, key), request in evidence.requests.items():
        job_id = request.get("job_id")
        if request["state"] == "accepted":
            accepted[connection, job_id].append(key)
        if request["state"] in {"accepted", "attached"}:
            if (connection, job_id) not in evidence.jobs:
                yield Finding("lost", connection, "a request ended with a job that is not on record", key, job_id)
            elif json.loads(request["answer"]["body"])["job_id"] != job_id:
                yield Finding("wrong", connection, "a request's answer names another job than its record", key, job_id)
    for connection, job_id in evidence.jobs:
        keys = accepted[connection, job_id]
        if len(keys) != 1:
            yield Finding("wrong", connection, f"{len(keys)} requests are said to have brought one job", job_id=job_id)


def _executions_left(evidence: Evidence) -> Iterator[Finding]:
    connections = {job_id: connection for connection, job_id in evidence.jobs}
    for name, status in evidence.executions:
        job_id = name.partition(".")[0]
        if status == "RUNNING":
            what = f"execution {name} still runs after the end"
            yield Finding("wrong", connections.get(job_id, "?"), what, job_id=job_id)
