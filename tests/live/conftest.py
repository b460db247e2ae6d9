"""The Finch of the contract: the environment's in `make live`, else a local sandbox with each value of each setting."""

import os
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import pytest

from finch_sandbox.server import Sandbox, running_sandbox
from finch_sandbox.settings import Settings
from tests import canaries
from tests.live.upstream import Upstream

LIVE = bool(os.environ.get("LIVE"))

Setting = tuple[str, Any]

VALUES: dict[str, list[Any]] = {
    "pending_seconds": [0, 5],
    "in_progress_seconds": [0, 5],
    "duration": [{"p5": 2, "p95": 20}],
    "seed": [1],
    "allowed_refreshes": [1, 3],
    "window_seconds": [60],
    "list_default_limit": [1],
    "list_max_limit": [1],
    "job_url_base": ["https://api.tryfinch.com"],
    "retention_seconds": [60],
}
"""Values for the settings that have more than can all be tried."""


def settings_of_answers() -> set[str]:
    """Every setting but those of webhooks: what Finch sends by itself nobody sees who only asks."""
    return {name for name in Settings.model_fields if not name.startswith("webhook_")}


def every_setting() -> list[Setting]:
    """Every value of every setting but its default, or some where there is no end of them."""
    found: list[Setting] = []
    for name, field in Settings.model_fields.items():
        if name not in settings_of_answers():
            continue
        kind = field.annotation
        if get_origin(kind) is Literal:
            values = list(get_args(kind))
        elif kind is bool:
            values = [True, False]
        else:
            values = VALUES[name]
        found += [(name, value) for value in values if value != field.default]
    return found


class Clock:
    """The sandbox's time; waiting for it takes none of ours."""

    def __init__(self) -> None:
        self.now = 1_800_000_100.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(scope="session")
def live_clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def live_sandbox(live_clock: Clock) -> Iterator[Sandbox]:
    with running_sandbox(clock=live_clock) as sandbox:
        yield sandbox


@pytest.fixture
def local(live_sandbox: Sandbox, live_clock: Clock) -> Upstream:
    """A local sandbox that knows no job, in Finch's role."""
    live_clock.now = Clock().now
    live_sandbox.reset()
    tokens = live_sandbox.tokens
    return Upstream(
        live_sandbox.url,
        tokens["acme"],
        tokens["globex"],
        tokens["initech-assisted"],
        now=live_clock,
        wait=live_clock.wait,
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "upstream" in metafunc.fixturenames:
        settings = [None] if LIVE else [("allowed_refreshes", 2), *every_setting()]
        names = ["live"] if LIVE else [f"{name}={value}" for name, value in filter(None, settings)]
        metafunc.parametrize("upstream", settings, indirect=True, ids=names)


@pytest.fixture
def upstream(request: pytest.FixtureRequest) -> Upstream:
    if request.param is None:
        real = Upstream.from_environment()
        for token in filter(None, (real.token, real.other_token, real.assisted_token)):
            canaries.plant(token)
        return real
    name, value = request.param
    local: Upstream = request.getfixturevalue("local")
    request.getfixturevalue("live_sandbox").patch(**{name: value})
    return local
