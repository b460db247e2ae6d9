from collections import Counter

import pytest

from fault_campaign.faults import KILLS
from fault_campaign.plan import OF_NOBODY, PATHS, Trigger, crash_points, make_plan, rehearsal
from fault_campaign.steps import ENQUEUE, SEND, START

CONNECTIONS = [f"c{number}" for number in range(8)]
STEPS = {PATHS[0].name: [SEND, ENQUEUE, START], PATHS[2].name: [SEND], OF_NOBODY.name: ["GetSecretValue"]}


def plan(seed: int = 1, triggers: int = 400) -> list[Trigger]:
    return make_plan(seed, triggers, CONNECTIONS, "ticked", STEPS, patient=True)


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    assert plan(seed=1) == plan(seed=1)
    assert plan(seed=1) != plan(seed=2)


def test_every_step_has_a_crash_point_before_during_and_after_the_call() -> None:
    points = crash_points(STEPS)

    assert len(points) == len(set(points)) == sum(len(steps) for steps in STEPS.values()) * len(KILLS)


def test_every_crash_point_comes_once_before_any_comes_twice() -> None:
    drawn = [point for trigger in plan() for point in trigger.crash_points]

    points = crash_points(STEPS)
    assert set(drawn[: len(points)]) == set(points)


@pytest.mark.parametrize("seed", range(5))
def test_at_least_a_fifth_of_the_triggers_meet_a_fault(seed: int) -> None:
    triggers = plan(seed, 2000)

    assert sum(bool(trigger.traps or trigger.path.leads) for trigger in triggers) >= 400


def test_ticks_are_for_the_scheduled_connection_and_all_else_for_the_others() -> None:
    for trigger in plan():
        assert (trigger.connection == "ticked") == (trigger.kind.value == "schedule tick")


def test_connections_have_equal_shares() -> None:
    shares = Counter(trigger.connection for trigger in plan() if trigger.connection != "ticked")

    assert max(shares.values()) - min(shares.values()) <= 1


def test_a_rehearsal_takes_each_path_once_on_a_connection_of_its_own() -> None:
    rehearsed = rehearsal([f"c{number}" for number in range(len(PATHS))], "ticked")

    assert [trigger.path for trigger in rehearsed] == list(PATHS)
    assert len({trigger.connection for trigger in rehearsed}) == len(PATHS)
    assert not any(trigger.traps for trigger in rehearsed)
