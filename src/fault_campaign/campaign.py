"""A campaign: rehearse each path, carry out the plan, wait until nothing is open, compare the ledgers."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fault_campaign.drive import Drive, Patience
from fault_campaign.evidence import Asked, Evidence, FinchJob
from fault_campaign.journal import Call
from fault_campaign.judgement import findings
from fault_campaign.plan import OF_NOBODY, PATHS, Kind, Trigger, crash_points, make_plan, rehearsal
from fault_campaign.report import Course, Outcome
from fault_campaign.settle import settle
from fault_campaign.site import Site, running_site
from fault_campaign.steps import ENQUEUE
from finch_sync.ledger import SETTLE

_TICKED = "ticked"
_HURRIED_WAITS = 0.05
_ENDINGS = ("complete", "complete", "complete", "error", "reauth_error", "permissions_error")


@dataclass(frozen=True, slots=True)
class Scale:
    """How large a campaign is.

    Attributes:
        triggers: how many.
        connections: how many connections callers use.
        hurried: whether open records are aged in place of waiting for their leases.
        patience: how long callers and traps are waited for.
        settle_seconds: how long it may take until nothing is open.
        longest_job: the seconds within which 19 of 20 jobs end.
    """

    triggers: int
    connections: int
    hurried: bool
    patience: Patience
    settle_seconds: float
    longest_job: float


def long_campaign(triggers: int) -> Scale:
    """Nothing is hurried: leases run out by themselves."""
    return Scale(triggers, 48, hurried=False, patience=Patience(150, 110, 8), settle_seconds=600, longest_job=12.0)


def short_campaign(triggers: int) -> Scale:
    """For a test: callers give up early, and records are aged when nobody works on them."""
    return Scale(triggers, len(PATHS), hurried=True, patience=Patience(2, 1, 4), settle_seconds=60, longest_job=1.0)


def conduct(
    scale: Scale, seed: int, say: Callable[[str], None], known_steps: Mapping[str, Sequence[str]] | None = None
) -> Outcome:
    """Conduct a campaign.

    Args:
        scale: how large it is.
        seed: what the plan is drawn from.
        say: told what is being done.
        known_steps: the steps of each path, from an earlier campaign whose plan is to be repeated; without them, the
            plan is drawn from what the rehearsal shows.
    """
    begun = time.monotonic()
    connections = [f"c{number:02}" for number in range(scale.connections)]
    with running_site(connections, _TICKED, _finch_settings(connections, scale.longest_job), say) as site:
        if scale.hurried:
            site.scale_waits(_HURRIED_WAITS)
        drive = Drive(site, scale.patience)
        rehearsed = rehearsal(connections, _TICKED)
        say(f"rehearsing {len(rehearsed)} paths")
        drive.run(rehearsed)
        converged = settle(site, drive, scale.settle_seconds, age=scale.hurried)
        steps = known_steps or observed_steps(rehearsed, site.journal.calls())
        plan = make_plan(seed, scale.triggers, connections, _TICKED, steps, patient=not scale.hurried)
        say(f"{len(crash_points(steps))} crash points; carrying out {len(plan)} triggers")
        _carry_out(plan, drive, site, say)
        say("waiting until nothing is open")
        converged &= settle(site, drive, scale.settle_seconds, age=scale.hurried)
        say("comparing the ledgers")
        everything = [*rehearsed, *plan]
        evidence = gather(site, drive, everything, 0.0 if scale.hurried else SETTLE.total_seconds())
        return _outcome(seed, everything, steps, evidence, drive, converged=converged, since=begun)


def _carry_out(plan: Sequence[Trigger], drive: Drive, site: Site, say: Callable[[str], None]) -> None:
    done, every = Counter[str](), max(1, len(plan) // 10)

    def count() -> None:
        done["triggers"] += 1
        if done["triggers"] % every == 0:
            say(f"{done['triggers']} of {len(plan)} triggers")

    site.rules.enable_rule(Name=site.stack.rule_name)
    with drive.sweeping():
        drive.run(plan, count)
    site.rules.disable_rule(Name=site.stack.rule_name)


def _finch_settings(connections: Sequence[str], longest_job: float) -> dict[str, object]:
    """Jobs of many durations, and of all ends; quotas that do not run out by themselves."""
    return {
        "allowed_refreshes": 1_000_000,
        "duration": {"kind": "lognormal", "p5": 0.2, "p95": longest_job},
        "connections": {
            name: {"completion_status": _ENDINGS[position % len(_ENDINGS)]} for position, name in enumerate(connections)
        },
    }


def observed_steps(rehearsed: Sequence[Trigger], calls: Sequence[Call]) -> dict[str, list[str]]:
    """The steps of each path, in the order in which they came first; those before a path's lead belong to others."""
    paths = {trigger.connection: trigger.path for trigger in rehearsed}
    steps: dict[str, dict[str, None]] = {path.name: {} for path in (OF_NOBODY, *paths.values())}
    for call in calls:
        if call.step.connection is None:
            steps[OF_NOBODY.name][call.step.name] = None
        elif call.step.connection in paths and call.fault is None:
            steps[paths[call.step.connection].name][call.step.name] = None
    return {name: list(found) for name, found in steps.items() if found}


def gather(site: Site, drive: Drive, plan: Sequence[Trigger], settle_seconds: float) -> Evidence:
    """Read the three ledgers."""
    ledger = site.sandbox.ledger()
    effects = {
        int(number): (entry["effect"], entry["job_id"])
        for entry in ledger["requests"]
        if (number := entry["headers"].get("x-fault-campaign-call")) is not None
    }
    requests, jobs, held = {}, {}, {}
    for item in site.records():
        connection = str(item["pk"]).removeprefix("connection#")
        kind, _, name = str(item["sk"]).partition("#")
        if kind == "request":
            requests[connection, name] = item
        elif kind == "job":
            jobs[connection, name] = item
        elif kind == "state" and "unresolved" in item:
            held[connection] = str(item["unresolved"])
    lasting = [trigger for trigger in plan if trigger.kind in {Kind.DIRECT, Kind.TICK}]
    attributes = site.queues.get_queue_attributes(
        QueueUrl=site.stack.dead_letter_queue_url, AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]
    return Evidence(
        told=drive.callers.told(),
        calls=site.journal.calls(),
        finch_jobs=[FinchJob(job["job_id"], job["connection"], job["status"]) for job in ledger["jobs"]],
        effects=effects,
        requests=requests,
        jobs=jobs,
        held=held,
        executions=site.executions(),
        asked=[Asked(trigger.number, trigger.connection, drive.key(trigger) or "") for trigger in lasting],
        dead_letters=int(attributes["ApproximateNumberOfMessages"]),
        settle_seconds=settle_seconds,
    )


def _outcome(
    seed: int,
    plan: Sequence[Trigger],
    steps: Mapping[str, Sequence[str]],
    evidence: Evidence,
    drive: Drive,
    *,
    converged: bool,
    since: float,
) -> Outcome:
    found = findings(evidence)
    struck = {(call.trigger, call.fault, call.step.name) for call in evidence.calls if call.fault is not None}
    reached = {
        point
        for trigger in plan
        for point in trigger.crash_points
        if (trigger.number, point.trap.fault.name, point.trap.step) in struck
    }
    keys = {
        (trigger.connection, key): trigger.number
        for trigger in plan
        for key in filter(None, (drive.key(trigger), f"key:{trigger.key}-rival" if trigger.rival else None))
    }
    events = {str(event): times for event, times in drive.events.items()}
    course = Course(plan, evidence.calls, drive.begun, keys, drive.stopped, events)
    posts = [call for call in evidence.calls if call.step.name.startswith(ENQUEUE)]
    return Outcome(
        seed=seed,
        triggers=len(plan),
        faulted=len({number for number, _, _ in struck} | set(drive.stopped)),
        converged=converged,
        seconds=time.monotonic() - since,
        rows=course.rows(found),
        findings=found,
        calls=[call for call in evidence.calls if call.step.connection in {each.connection for each in found}],
        steps=steps,
        crash_points=crash_points(steps),
        reached=frozenset(reached),
        counts={
            "calls": len(evidence.calls),
            "POSTs": len(posts),
            "jobs by Finch": len(evidence.finch_jobs),
            "jobs on record": len(evidence.jobs),
            "requests on record": len(evidence.requests),
            "answers": len(evidence.told),
            "dead letters": evidence.dead_letters,
        },
    )
