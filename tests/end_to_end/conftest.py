"""One deployed stack for all end-to-end tests: they are one group, so that pytest-xdist starts it once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws.finch import Sandbox
from local_aws.stack import Stack, running_stack

SCHEDULED = "scheduled"


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("stack"))


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    sandbox = Sandbox(
        automated=("acme", "globex", SCHEDULED),
        assisted=("initech-assisted",),
        settings={"pending_seconds": 1, "in_progress_seconds": 1},
    )
    schedule = {"ScheduleExpression": "cron(* * * * ? *)", "ScheduledConnections": SCHEDULED}
    with running_stack(sandbox, parameters=schedule) as running:
        yield running
