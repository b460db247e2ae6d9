"""What a connection's durations teach, and what they must never do to a wait."""

import math
from statistics import fmean, pvariance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finch_sync.polling import CAP, FLOOR, JITTER, LONGEST, MEMORY, SHORTEST, UNKNOWN, Durations, wait_seconds

DAY = 86400.0
plausible = st.floats(SHORTEST, LONGEST)
anything = st.floats()


def learned(*durations: float) -> Durations:
    known = UNKNOWN
    for seconds in durations:
        known = known.after(seconds)
    return known


def looks(known: Durations, until: float) -> list[float]:
    """When a job is looked at, up to the first look at or after its end."""
    times = [0.0]
    while times[-1] < until:
        times.append(times[-1] + (wait_seconds(times[-1], 10 * DAY, known) or math.inf))
    return times[1:]


@given(st.lists(plausible, min_size=1, max_size=MEMORY))
def test_mean_and_variance_are_those_of_the_logarithms(durations: list[float]) -> None:
    logarithms = [math.log(seconds) for seconds in durations]

    known = learned(*durations)

    assert known.count == len(durations)
    assert known.mean == pytest.approx(fmean(logarithms), abs=1e-9)
    assert known.variance == pytest.approx(pvariance(logarithms), abs=1e-9)


@given(st.lists(anything, max_size=40))
def test_what_was_learned_is_usable_whatever_came(durations: list[float]) -> None:
    known = learned(*durations)

    assert known == UNKNOWN or known.usable


@pytest.mark.parametrize("seconds", [-1.0, -1e-9, math.nan, math.inf, -math.inf])
def test_what_can_be_no_duration_teaches_nothing(seconds: float) -> None:
    known = learned(60, 90)

    assert known.after(seconds) == known


@pytest.mark.parametrize(("seconds", "taken_as"), [(0.0, SHORTEST), (1e300, LONGEST)])
def test_extreme_durations_count_as_the_nearest_plausible(seconds: float, taken_as: float) -> None:
    assert UNKNOWN.after(seconds) == UNKNOWN.after(taken_as)


@given(st.builds(Durations, st.integers(), anything, anything), st.floats(-60, 10 * DAY), st.floats(-1, 1))
def test_no_record_however_damaged_takes_a_wait_out_of_its_bounds(
    known: Durations, elapsed: float, jitter: float
) -> None:
    wait = wait_seconds(elapsed, 10 * DAY, known, jitter=jitter)

    assert wait is not None
    assert FLOOR <= wait <= math.ceil(CAP * (1 + JITTER))


@pytest.mark.parametrize(
    "damaged", [Durations(-1, 4, 1), Durations(3, math.nan, 1), Durations(3, 4, -1), Durations(3, 4, math.inf)]
)
def test_a_damaged_record_is_no_record(damaged: Durations) -> None:
    assert looks(damaged, 3600) == looks(UNKNOWN, 3600)
    assert damaged.after(60) == UNKNOWN.after(60)


@given(st.floats(10, 7200))
def test_a_job_like_all_before_it_is_found_sooner_at_fewer_looks_than_for_a_stranger(seconds: float) -> None:
    known = learned(*[seconds] * MEMORY)
    experienced, stranger = looks(known, seconds), looks(UNKNOWN, seconds)

    # A look is worth up to a few seconds of delay; one of the two may be worse, not both.
    assert len(experienced) <= len(stranger) + 2
    assert experienced[-1] - seconds <= max(stranger[-1] - seconds, 0.25 * seconds + FLOOR)


@pytest.mark.parametrize("usual", [10, 60, 300, 1200])
@pytest.mark.parametrize("factor", [10, 30])
def test_a_provider_that_suddenly_takes_much_longer_is_still_polled_sensibly(usual: float, factor: float) -> None:
    seconds = usual * factor
    times, stranger = looks(learned(*[usual] * MEMORY), seconds), looks(UNKNOWN, seconds)

    assert times[-1] - seconds <= 0.4 * seconds
    assert len(times) <= 2.5 * len(stranger) + 10


@pytest.mark.parametrize("usual", [60, 600, 3600])
def test_a_provider_that_suddenly_is_fast_is_found_within_its_usual_time(usual: float) -> None:
    assert looks(learned(*[usual] * MEMORY), usual / 10)[0] <= min(usual, CAP)


@given(st.lists(plausible, max_size=30), plausible)
def test_a_new_habit_is_learned_within_three_memories(past: list[float], habit: float) -> None:
    known = learned(*past, *[habit] * 3 * MEMORY)

    assert known.mean == pytest.approx(math.log(habit), abs=1.0)
