"""Carrying out the plan: one thread a connection, which pulls its triggers one after the other."""

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from fault_campaign.callers import Callers, Told
from fault_campaign.plan import OF_NOBODY, Event, Kind, Trigger
from fault_campaign.site import Site

_REFUSING_SECONDS = 2.0
_FIRST_TICK = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long things are waited for, in seconds.

    Attributes:
        caller: how long a patient caller keeps asking.
        trap: how long a connection's next trigger waits for the traps of the last one to strike.
        sweeps: the time between two sweeps of the campaign's own, beside those of the stack's rule.
    """

    caller: float
    trap: float
    sweeps: float


class Drive:
    """Carries out triggers on a site."""

    def __init__(self, site: Site, patience: Patience) -> None:
        self.callers = Callers(site.stack.api_url, site.stack.connections)
        self.events: Counter[Event] = Counter()
        self.stopped: Counter[int] = Counter()
        self.begun: dict[int, float] = {}
        self._site = site
        self._patience = patience
        self._one_event = threading.Lock()
        self._rule_arn = site.rules.describe_rule(Name=site.stack.rule_name)["Arn"]

    def run(self, plan: Sequence[Trigger], on_done: Callable[[], None] = lambda: None) -> None:
        """Carry out a plan; triggers of one connection follow each other, connections go side by side."""
        lanes: dict[str, list[Trigger]] = {}
        for trigger in plan:
            lanes.setdefault(trigger.connection, []).append(trigger)

        failed = threading.Event()

        def follow(lane: Sequence[Trigger]) -> None:
            for trigger in lane:
                if failed.is_set():
                    return
                try:
                    self._carry_out(trigger)
                except BaseException:
                    failed.set()  # a campaign that cannot do what it planned proves nothing
                    raise
                on_done()

        with ThreadPoolExecutor(len(lanes)) as pool:
            list(pool.map(follow, lanes.values()))

    def key(self, trigger: Trigger) -> str | None:
        """The key under which a trigger's request is on record, where it is known beforehand."""
        match trigger.kind:
            case Kind.KEYED:
                return f"key:{trigger.key}"
            case Kind.DIRECT:
                return f"direct:{trigger.key}"
            case Kind.TICK:
                return f"{self._rule_arn}@{self._tick(trigger)['time']}"
            case Kind.UNKEYED:
                return None

    def sweep(self) -> None:
        """Two sweeps at once."""
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda _: self._invoke({"sweep": {}}, wait=True), range(2)))

    def sweeping(self) -> contextlib.ExitStack:
        """Sweep every now and then until the context ends."""
        ended = threading.Event()

        def keep_on() -> None:
            while not ended.wait(self._patience.sweeps):
                self.sweep()

        thread = threading.Thread(target=keep_on, name="sweeps")
        thread.start()
        context = contextlib.ExitStack()
        context.callback(thread.join)
        context.callback(ended.set)
        return context

    def _carry_out(self, trigger: Trigger) -> None:
        if trigger.path.while_running:
            self.callers.without_key(trigger.number, trigger.connection)
        self.begun[trigger.number] = time.time()
        self._site.armory.arm(trigger.path.leads, trigger.connection, trigger.number)
        owner = None if trigger.path is OF_NOBODY else trigger.connection
        self._site.armory.arm(trigger.traps, owner, trigger.number)
        asking = [self._ask] * trigger.copies
        if trigger.rival:
            asking.append(self._compete)
        if trigger.event is not None:
            asking.append(self._happen)
        with ThreadPoolExecutor(len(asking)) as pool:
            told = [answer for answer in pool.map(lambda ask: ask(trigger), asking) if answer is not None]
        if trigger.path.stopped:
            self._stop(trigger, told)
        if trigger.again:
            self._ask(trigger)
        self._await_traps(trigger)

    def _ask(self, trigger: Trigger) -> Told | None:
        match trigger.kind:
            case Kind.KEYED:
                patience = self._patience.caller if trigger.patient else 0.0
                return self.callers.with_key(trigger.number, trigger.connection, trigger.key, patience)
            case Kind.UNKEYED:
                return self.callers.without_key(trigger.number, trigger.connection)
            case Kind.DIRECT:
                order = {"idempotency_key": trigger.key, "connections": [trigger.connection]}
                self._invoke({"enqueue": order}, wait=False)
            case Kind.TICK:
                self._invoke(self._tick(trigger), wait=False)
        return None

    def _compete(self, trigger: Trigger) -> Told | None:
        return self.callers.with_key(trigger.number, trigger.connection, f"{trigger.key}-rival", 0.0)

    def _happen(self, trigger: Trigger) -> Told | None:
        with self._one_event:
            match trigger.event:
                case "Finch restarts":
                    self._site.sandbox.restart()
                case "Finch refuses connections":
                    self._site.finch_proxy.refuse(_REFUSING_SECONDS)
                case "two sweeps at once":
                    self.sweep()
                case None:
                    return None
            self.events[trigger.event] += 1
        return None

    def _tick(self, trigger: Trigger) -> dict[str, Any]:
        at = _FIRST_TICK + timedelta(minutes=trigger.number)
        return {
            "version": "0",
            "id": f"tick-{trigger.number}",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "000000000000",
            "time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "region": self._site.stack.region,
            "resources": [self._rule_arn],
            "detail": {},
        }

    def _stop(self, trigger: Trigger, told: Sequence[Told]) -> None:
        """Stop the executions of the jobs that were accepted; their ends are told twice."""
        for job_id in {json.loads(each.body)["job_id"] for each in told if each.status == 200}:
            arn = self._site.stack.state_machine_arn.replace(":stateMachine:", ":execution:") + f":{job_id}"
            try:
                self._site.machines.stop_execution(executionArn=arn, error="Stopped", cause="from outside")
            except (BotoCoreError, ClientError):
                continue  # it was not started, or has ended
            self.stopped[trigger.number] += 1
            detail = {
                "name": job_id,
                "status": "ABORTED",
                "input": json.dumps({"connection": trigger.connection, "job_id": job_id}),
            }
            kind = "Step Functions Execution Status Change"
            self._invoke({"source": "aws.states", "detail-type": kind, "detail": detail}, wait=False)

    def _await_traps(self, trigger: Trigger) -> None:
        until = time.monotonic() + self._patience.trap
        while self._site.armory.waiting(trigger.number) and time.monotonic() < until:
            time.sleep(0.25)

    def _invoke(self, event: dict[str, Any], *, wait: bool) -> None:
        # A function that dies, or an emulator that is too busy, is no reason to end the campaign.
        with contextlib.suppress(BotoCoreError, ClientError):
            self._site.invoke(event, wait=wait)
