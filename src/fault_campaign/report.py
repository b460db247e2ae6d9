"""The campaign's outcome: one row a fault."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from fault_campaign.journal import Call
from fault_campaign.judgement import Finding
from fault_campaign.plan import STOPPED, CrashPoint, Trigger

NO_FAULT = "(none)"
_MISSED_SHOWN = 30


@dataclass
class Row:
    """What one kind of fault did."""

    fault: str
    injected: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    longest_seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """Everything that a campaign found out.

    Attributes:
        seed: the plan's seed.
        triggers: how many triggers were carried out.
        faulted: how many of them met a fault.
        converged: whether everything came to an end in time.
        steps: the steps of each path, from which the plan was drawn.
        crash_points: every moment at which the function can die.
        reached: those at which it did.
        counts: how many there were of what.
        calls: those for the connections of the findings, so that a finding can be followed back.
    """

    seed: int
    triggers: int
    faulted: int
    converged: bool
    seconds: float
    rows: Sequence[Row]
    findings: Sequence[Finding]
    steps: Mapping[str, Sequence[str]] = field(default_factory=dict)
    crash_points: Sequence[CrashPoint] = ()
    reached: frozenset[CrashPoint] = frozenset()
    counts: Mapping[str, int] = field(default_factory=dict)
    calls: Sequence[Call] = ()

    @property
    def well(self) -> bool:
        """Whether nothing was lost, doubled or wrong."""
        return self.converged and not self.findings

    @property
    def missed(self) -> list[CrashPoint]:
        """The crash points at which the function did not die."""
        return [point for point in self.crash_points if point not in self.reached]

    def as_json(self) -> dict[str, Any]:
        """All of it, for a file."""
        return {
            "seed": self.seed,
            "triggers": self.triggers,
            "faulted": self.faulted,
            "converged": self.converged,
            "seconds": round(self.seconds, 1),
            "rows": [asdict(row) for row in self.rows],
            "findings": [asdict(finding) for finding in self.findings],
            "calls": [asdict(call) for call in self.calls],
            "crash_points": len(self.crash_points),
            "missed": [_spelled(point) for point in self.missed],
            "counts": dict(self.counts),
            "steps": {path: list(names) for path, names in self.steps.items()},
        }


@dataclass(frozen=True)
class Course:
    """How a campaign went.

    Attributes:
        plan: the triggers that were carried out.
        calls: the journal.
        begun: when each trigger was carried out.
        keys: the trigger of each key of each connection.
        stopped: how many executions were stopped for each trigger.
        events: how often each event happened to the whole stack.
    """

    plan: Sequence[Trigger]
    calls: Sequence[Call]
    begun: Mapping[int, float]
    keys: Mapping[tuple[str, str], int]
    stopped: Mapping[int, int]
    events: Mapping[str, int]

    def rows(self, found: Sequence[Finding]) -> list[Row]:
        """One row for each kind of fault that struck, and one for the triggers that met none.

        A finding counts for every fault that the trigger of its key met; without such a trigger, for every fault that
        its connection met.
        """
        table: dict[str, Row] = {}
        of_trigger: dict[int, set[str]] = defaultdict(set)
        of_connection: dict[str, set[str]] = defaultdict(set)
        connections = {trigger.number: trigger.connection for trigger in self.plan}
        for number, fault in self._struck():
            table.setdefault(fault, Row(fault)).injected += 1
            of_trigger[number].add(fault)
            of_connection[connections[number]].add(fault)
        for event, times in self.events.items():
            table[event] = Row(event, injected=times)
        table[NO_FAULT] = Row(NO_FAULT, injected=sum(trigger.number not in of_trigger for trigger in self.plan))
        for finding in found:
            number = self.keys.get((finding.connection, finding.key or ""), 0)
            for fault in of_trigger.get(number) or of_connection.get(finding.connection) or {NO_FAULT}:
                setattr(table[fault], finding.harm, getattr(table[fault], finding.harm) + 1)
        for number, seconds in self._times_to_converge().items():
            for fault in of_trigger.get(number, {NO_FAULT}):
                table[fault].longest_seconds = max(table[fault].longest_seconds, seconds)
        return sorted(table.values(), key=lambda row: row.fault)

    def _struck(self) -> Iterator[tuple[int, str]]:
        for call in self.calls:
            if call.fault is not None and call.trigger is not None:
                yield call.trigger, call.fault
        for number, times in self.stopped.items():
            yield from ((number, STOPPED) for _ in range(times))

    def _times_to_converge(self) -> dict[int, float]:
        """Seconds from each trigger until its request and its job have ended on record, jobs' own time included."""
        ended: dict[int, float] = {}
        brought: dict[str, int] = {}
        for call in self.calls:
            if not call.took_effect or call.step.connection is None:
                continue
            number = None
            if call.step.releases:
                number = self.keys.get((call.step.connection, call.step.key or ""))
                if call.step.job_id is not None and number is not None:
                    brought[call.step.job_id] = number
            elif call.step.ends_job:
                number = brought.get(call.step.job_id or "")
            if number is not None:
                ended[number] = call.done or call.arrived
        return {number: moment - self.begun[number] for number, moment in ended.items()}


def print_outcome(outcome: Outcome, console: Console) -> None:
    """Print the table, what was found, and what was not reached."""
    table = Table("fault", title=f"seed {outcome.seed}: {outcome.triggers} triggers, {outcome.faulted} met a fault")
    for heading in ("injected", "lost", "doubled", "wrong", "longest to converge"):
        table.add_column(heading, justify="right")
    for row in outcome.rows:
        seconds = f"{row.longest_seconds:.1f} s" if row.longest_seconds else "-"
        bad = "red" if row.lost or row.doubled or row.wrong else None
        counts = (row.injected, row.lost, row.doubled, row.wrong)
        table.add_row(row.fault, *map(str, counts), seconds, style=bad)
    console.print(table)
    console.print(
        f"crash points: {len(outcome.crash_points) - len(outcome.missed)} of {len(outcome.crash_points)}; "
        + ", ".join(f"{count} {what}" for what, count in outcome.counts.items()),
        highlight=False,
    )
    for point in outcome.missed if len(outcome.missed) <= _MISSED_SHOWN else ():
        console.print(f"  not reached: {_spelled(point)}", highlight=False, markup=False, soft_wrap=True)
    if not outcome.converged:
        console.print("not everything came to an end in time", style="red")
    for finding in outcome.findings:
        where = " ".join(filter(None, (finding.connection, finding.key, finding.job_id)))
        console.print(
            f"{finding.harm}: {finding.what} ({where})", style="red", highlight=False, markup=False, soft_wrap=True
        )


def _spelled(point: CrashPoint) -> str:
    return f"{point.path}: {point.trap.fault.name}: {point.trap.step}"
