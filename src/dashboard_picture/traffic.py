"""What happens on the stack while the dashboard looks: jobs by HTTP and by a tick, and every kind of fault."""

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import urllib3

from finch_sandbox.faults import ErrorFault, Fault, FaultRule, Match, ResetFault, RewriteFault
from local_aws.finch import Sandbox
from local_aws.stack import Stack

JOBS = 100
BY_TICK = 12
SECONDS = 120
"""How long triggers go on."""

_LONGEST = 240
_WEIGHTS = {"complete": 86, "error": 8, "reauth_error": 4, "permissions_error": 2}

SANDBOX = Sandbox(
    automated=tuple(f"connection-{number}" for number in range(JOBS)),
    assisted=(),
    settings={"duration": {"p5": 4, "p95": 40}},
)


class Traffic:
    """A hundred jobs in two minutes, drawn from one seed."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._names = list(stack.connections)
        self._random = random.Random(5)  # noqa: S311 - which fault strikes whom, no secret
        self._sqs = stack.session.client("sqs", endpoint_url=stack.aws_endpoint_url)
        self._lambda = stack.session.client("lambda", endpoint_url=stack.aws_endpoint_url)
        self.dead_letters: list[tuple[float, float]] = []
        """The queue's length, by the moment it was looked at."""

    def run(self) -> None:
        """Trigger all jobs, and wait until their records have ended."""
        self._prepare()
        began = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            for number, name in enumerate(self._names[BY_TICK:]):
                due = began + number * SECONDS / (JOBS - BY_TICK)
                while time.monotonic() < due:
                    self._look_at_queue()
                    time.sleep(min(1.0, max(0.0, due - time.monotonic())))
                if number == (JOBS - BY_TICK) // 2:
                    self._tick()
                pool.submit(self._trigger, name)
        while self._active() and time.monotonic() < began + _LONGEST:
            self._look_at_queue()
            time.sleep(2)

    def _prepare(self) -> None:
        for name in self._names:
            [word] = self._random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
            self._control("PATCH", "settings", {"connections": {name: {"completion_status": word}}})
        faults: list[tuple[int, Fault, str, int | None]] = [
            (5, ResetFault(when="after"), "POST", 1),
            (4, ResetFault(), "POST", 1),
            (12, ErrorFault(answer="503_unavailable"), "GET", 2),
            (4, RewriteFault(put={"status": "queued"}), "GET", 1),
            (2, ErrorFault(answer="403_insufficient_scope"), "GET", None),
        ]
        struck = iter(self._random.sample(self._names, 40))
        for count, fault, method, times in faults:
            for _ in range(count):
                rule = FaultRule(match=Match(method=method, connection=next(struck)), fault=fault, times=times)
                self._control("POST", "faults", rule.model_dump(mode="json"))

    def _trigger(self, name: str) -> None:
        headers = {"Authorization": f"Bearer {self._stack.connections[name]}", "Idempotency-Key": "picture"}
        for _ in range(20):
            answer = urllib3.request(
                "POST", f"{self._stack.api_url}/sandbox/jobs", json={"type": "data_sync_all"}, headers=headers
            )
            if answer.status == 200:
                return
            time.sleep(5)

    def _tick(self) -> None:
        order = {"enqueue": {"idempotency_key": "picture", "connections": self._names[:BY_TICK]}}
        for event in (order, {"not": "an event"}):
            self._lambda.invoke(
                FunctionName=self._stack.function_name, InvocationType="Event", Payload=json.dumps(event)
            )

    def _active(self) -> bool:
        states = self._stack.session.client("stepfunctions", endpoint_url=self._stack.aws_endpoint_url)
        running = states.list_executions(stateMachineArn=self._stack.state_machine_arn, statusFilter="RUNNING")
        return bool(running["executions"])

    def _look_at_queue(self) -> None:
        told = self._sqs.get_queue_attributes(
            QueueUrl=self._stack.dead_letter_queue_url, AttributeNames=["ApproximateNumberOfMessages"]
        )
        self.dead_letters.append((time.time(), float(told["Attributes"]["ApproximateNumberOfMessages"])))

    def _control(self, method: str, path: str, body: Any) -> None:
        answer = urllib3.request(method, f"{self._stack.finch_url}/_sandbox/{path}", json=body)
        if answer.status >= 300:
            raise RuntimeError(f"the sandbox answered {answer.status} {answer.data!r}")
