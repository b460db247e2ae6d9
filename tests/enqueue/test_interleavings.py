"""Two workers take turns at one connection's requests in every order that hypothesis can think of.

The model is the ledger's rules on plain values; the store is the real one. They must agree on every step, who wins it
and what is on record after it.
"""

from datetime import timedelta
from typing import ClassVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from finch_sync.finch import Quota
from finch_sync.jobs import Job, accepted_job
from finch_sync.ledger import ENDED, TRANSITIONS, Answer, IllegalTransitionError, Request, Source, State, fingerprint
from finch_sync.store import Gone, Held, Store, Taken, Won
from tests.world import Aws, Clock

WORKERS = st.sampled_from(["one", "two"])
KEYS = st.sampled_from(["key:1", "key:2"])
NO_QUOTA = Quota(None, None)
OK = Answer(status=200, body="{}")


class Interleavings(RuleBasedStateMachine):
    store: ClassVar[Store]

    def __init__(self) -> None:
        super().__init__()
        self.connection = f"c{uuid4().hex}"
        self.clock = Clock()
        self.on_record: dict[str, Request] = {}
        self.jobs: dict[str, Job] = {}
        self.holder: str | None = None
        self.seen: dict[tuple[str, str], Request] = {}
        self.steps: list[tuple[State, State]] = []

    def fresh(self, key: str) -> Request:
        now = self.clock()
        return Request(
            connection=self.connection,
            key=key,
            source=Source.SCHEDULE,
            fingerprint=fingerprint({}),
            created_at=now,
            due_at=now,
        )

    def is_current(self, seen: Request) -> bool:
        current = self.on_record.get(seen.key)
        return current is not None and (current.state, current.posts, current.due_at) == (
            seen.state,
            seen.posts,
            seen.due_at,
        )

    def expect(self, seen: Request, changed: Request, outcome: Won | Taken | Gone | Job) -> bool:
        """Whether the step was won, after checking that store and model agree on that."""
        assert isinstance(outcome, Won) == self.is_current(seen)
        if isinstance(outcome, Gone):
            assert seen.key not in self.on_record
            return False
        if isinstance(outcome, Taken):
            assert outcome.request == self.on_record[seen.key]
            return False
        self.steps.append((seen.state, changed.state))
        return True

    @rule(worker=WORKERS, key=KEYS)
    def read(self, worker: str, key: str) -> None:
        request = self.store.request(self.connection, key)
        assert request == self.on_record.get(key)
        if request is not None:
            self.seen[worker, key] = request

    @rule(seconds=st.integers(1, 120))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    @rule(key=KEYS)
    def claim(self, key: str) -> None:
        request = self.fresh(key)
        outcome = self.store.claim(request)
        assert isinstance(outcome, Won) == (key not in self.on_record)
        self.on_record.setdefault(key, request)

    @rule(worker=WORKERS, key=KEYS)
    def send(self, worker: str, key: str) -> None:
        start = self.seen.get((worker, key), self.fresh(key))
        if start.state is not State.CLAIMED:
            start = self.fresh(key)
        sent = start.sending(self.clock())
        current = self.on_record.get(key)
        match self.store.send(sent):
            case Won():
                assert current is None or current.state is State.CLAIMED
                assert self.holder is None
                self.on_record[key], self.holder = sent, key
                self.seen[worker, key] = sent
            case Taken(existing):
                assert existing == current
                assert existing.state is not State.CLAIMED
            case Held(holder):
                assert holder == self.holder

    @precondition(lambda self: self.seen)
    @rule(data=st.data(), state=st.sampled_from([State.UNKNOWN, State.SENT]))
    def step(self, data: st.DataObject, state: State) -> None:
        worker, seen = self.one_of_the_seen(data)
        if seen.state is State.CLAIMED or state not in TRANSITIONS[seen.state]:
            with pytest.raises(IllegalTransitionError):
                seen.becoming(State.ACCEPTED if seen.state is State.CLAIMED else state)
            return
        due = self.clock() + timedelta(seconds=20)
        stepped = seen.sending(self.clock()) if state is State.SENT else seen.becoming(state, due_at=due)
        if self.expect(seen, stepped, self.store.step(seen, stepped)):
            self.on_record[seen.key] = self.seen[worker, seen.key] = stepped

    @precondition(lambda self: self.seen)
    @rule(data=st.data(), keep=st.booleans())
    def give_back(self, data: st.DataObject, *, keep: bool) -> None:
        worker, seen = self.one_of_the_seen(data)
        if seen.state is not State.SENT or seen.posts != 1:
            return
        claimed = seen.unsent(self.clock())
        outcome = self.store.give_back(seen, claimed if keep else None)
        if self.expect(seen, claimed, outcome):
            self.holder = None
            del self.seen[worker, seen.key]
            if keep:
                self.on_record[seen.key] = claimed
            else:
                del self.on_record[seen.key]

    @precondition(lambda self: self.seen)
    @rule(data=st.data(), state=st.sampled_from(sorted(ENDED)), job_id=st.sampled_from(["j1", "j2"]))
    def end(self, data: st.DataObject, state: State, job_id: str) -> None:
        worker, seen = self.one_of_the_seen(data)
        if seen.state not in {State.SENT, State.UNKNOWN}:
            return
        now = self.clock()
        job = None
        if state is State.ACCEPTED:
            job = accepted_job(self.connection, job_id, now=now, deadline=now + timedelta(hours=1))
        ended = seen.becoming(state, answer=OK)
        outcome = self.store.end(seen, ended, now=now, quota=NO_QUOTA, job=job)
        if self.is_current(seen) and job is not None and job_id in self.jobs:
            assert outcome == self.jobs[job_id], "a job that is followed already is handed back, and nothing changes"
            return
        if self.expect(seen, ended, outcome):
            self.on_record[seen.key] = self.seen[worker, seen.key] = ended
            self.holder = None
            if job is not None:
                self.jobs[job_id] = job

    def one_of_the_seen(self, data: st.DataObject) -> tuple[str, Request]:
        worker, key = data.draw(st.sampled_from(sorted(self.seen)))
        return worker, self.seen[worker, key]

    @invariant()
    def what_holds_the_connection_is_unresolved(self) -> None:
        unresolved = {key for key, r in self.on_record.items() if r.state in {State.SENT, State.UNKNOWN}}
        assert unresolved == ({self.holder} if self.holder else set())

    @invariant()
    def only_steps_of_the_ledger_were_taken(self) -> None:
        assert all(after in TRANSITIONS[before] for before, after in self.steps)

    def teardown(self) -> None:
        for key, request in self.on_record.items():
            assert self.store.request(self.connection, key) == request
        for job_id, job in self.jobs.items():
            assert self.store.job(self.connection, job_id) == job
        due = {item.name for item in self.store.due(self.clock() + timedelta(days=2), "request", 500)}
        mine = {key for key, request in self.on_record.items() if not request.ended}
        assert mine <= due, "every open request is in the sweep's index"


def test_store_and_rules_agree_whatever_the_order(emulated_aws: Aws) -> None:
    with emulated_aws.table() as table:
        Interleavings.store = Store(emulated_aws.dynamodb, table)
        run_state_machine_as_test(
            Interleavings,
            settings=settings(
                max_examples=60,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            ),
        )
