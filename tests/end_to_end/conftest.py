"""One deployed stack for all end-to-end tests; their group `stack` keeps them in one worker of pytest-xdist."""

from collections.abc import Iterator

import pytest

from local_aws.finch import Sandbox
from local_aws.stack import Stack, running_stack

SCHEDULED = "scheduled"


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
