from collections.abc import Iterator

import pytest

from finch_sandbox.server import running_sandbox
from finch_sandbox.settings import Settings
from tests.workflow.stage import Workflow, running_workflow
from tests.world import Clock


@pytest.fixture
def workflow() -> Iterator[Workflow]:
    """Its jobs take two minutes: more than one look, whatever the policy."""
    clock, settings = Clock(), Settings(in_progress_seconds=120)
    with running_sandbox(settings, clock=clock.timestamp) as sandbox, running_workflow(sandbox, clock) as stage:
        yield stage
