"""What holds for any policy of when to look at a job again."""

import math

from hypothesis import given
from hypothesis import strategies as st

from finch_sync.polling import CAP, JITTER, wait_seconds

DAY = 86400.0
elapsed_times = st.floats(-60, 10 * DAY)
remaining_times = st.floats(0, DAY, exclude_min=True)
jitters = st.floats(-1, 1)
hints = st.floats(0, 2 * DAY)


@given(elapsed_times, remaining_times, jitters)
def test_a_wait_is_at_least_a_second_and_at_most_the_cap_and_its_jitter(
    elapsed: float, remaining: float, jitter: float
) -> None:
    wait = wait_seconds(elapsed, remaining, jitter=jitter)

    assert wait is not None
    assert 1 <= wait <= math.ceil(CAP * (1 + JITTER))


@given(elapsed_times, remaining_times, st.none() | hints, jitters)
def test_a_wait_never_reaches_past_the_second_in_which_the_deadline_falls(
    elapsed: float, remaining: float, hint: float | None, jitter: float
) -> None:
    wait = wait_seconds(elapsed, remaining, hint=hint, jitter=jitter)

    assert wait is not None
    assert wait <= math.ceil(remaining)


@given(elapsed_times, st.floats(-DAY, 0), st.none() | hints, jitters)
def test_there_is_no_wait_once_the_deadline_is_here(
    elapsed: float, remaining: float, hint: float | None, jitter: float
) -> None:
    assert wait_seconds(elapsed, remaining, hint=hint, jitter=jitter) is None


@given(elapsed_times, hints, jitters)
def test_a_longer_hint_wins_over_the_policy_and_a_shorter_one_does_not(
    elapsed: float, hint: float, jitter: float
) -> None:
    policy = wait_seconds(elapsed, 3 * DAY, jitter=jitter)
    assert policy is not None
    assert wait_seconds(elapsed, 3 * DAY, hint=hint, jitter=jitter) == max(policy, math.ceil(hint))


@given(elapsed_times, jitters)
def test_jitter_moves_a_wait_by_a_tenth_at_most(elapsed: float, jitter: float) -> None:
    plain, moved = wait_seconds(elapsed, DAY), wait_seconds(elapsed, DAY, jitter=jitter)

    assert plain is not None
    assert moved is not None
    assert abs(moved - plain) <= JITTER * plain + 1


@given(st.floats(10, DAY))
def test_waits_that_follow_each_other_end_exactly_at_the_deadline_and_are_few(deadline: float) -> None:
    elapsed, looks = 0.0, 0

    while (wait := wait_seconds(elapsed, deadline - elapsed)) is not None:
        assert wait >= 1
        elapsed, looks = elapsed + wait, looks + 1

    assert deadline <= elapsed < deadline + 1
    assert looks <= 500, "a day of looks must fit an execution's history"
