"""What `make live` would tell of a Finch: seen on a local sandbox whose every setting is known."""

from typing import Any

import pytest

from finch_sandbox.server import Sandbox
from finch_sandbox.settings import Settings
from tests.live.conftest import every_setting, settings_of_answers
from tests.live.observations import NOT_SEEN, QUESTIONS, UNSEEN, observe
from tests.live.upstream import Upstream

BY_DEFAULT = Settings().model_dump()
OPEN = [(name, value) for name, value in every_setting() if name in QUESTIONS]
OTHERWISE_SEEN = {("list_max_limit", 1): None}
"""A limit that is cut shows only with more jobs than it."""


def seen(upstream: Upstream) -> dict[str, Any]:
    return {each.name: each.seen for each in observe(upstream)}


def test_every_setting_is_an_open_question_or_says_why_not() -> None:
    assert set(QUESTIONS) & set(UNSEEN) == set()
    assert settings_of_answers() - set(QUESTIONS) == set(UNSEEN)


def test_with_refreshes_enough_nothing_stays_unseen(local: Upstream, live_sandbox: Sandbox) -> None:
    live_sandbox.patch(allowed_refreshes=6)
    found = seen(local)
    assert [name for name, value in found.items() if value == NOT_SEEN] == []
    assert {name: found[name] for name in BY_DEFAULT if name in QUESTIONS} == {
        name: value for name, value in BY_DEFAULT.items() if name in QUESTIONS
    } | {"allowed_refreshes": 6}


@pytest.mark.parametrize(("name", "value"), OPEN, ids=str)
def test_each_value_of_each_setting_is_seen_as_it_is(
    local: Upstream, live_sandbox: Sandbox, name: str, value: Any
) -> None:
    live_sandbox.patch(**{"allowed_refreshes": 6, name: value})
    assert seen(local)[name] == OTHERWISE_SEEN.get((name, value), value)


def test_a_quota_of_one_ends_the_looking_early_and_without_an_error(local: Upstream, live_sandbox: Sandbox) -> None:
    live_sandbox.patch(allowed_refreshes=1)
    found = seen(local)
    assert (found["allowed_refreshes"], found["over_quota"]) == (1, "reject")
    assert found["reauth_error_flips_introspect"] == NOT_SEEN


def test_with_patience_the_next_window_is_waited_for(local: Upstream, live_sandbox: Sandbox) -> None:
    live_sandbox.patch(allowed_refreshes=1)
    local.patience = 3700
    assert seen(local)["reauth_error_flips_introspect"] is False
