"""Servers that all tests share: an emulated AWS and a Finch sandbox, on loopback."""

from collections.abc import Iterator

import pytest

from finch_sandbox.server import Sandbox, running_sandbox
from finch_sandbox.settings import Settings as SandboxSettings
from local_aws.emulator import running_emulator
from local_aws.interpreter import function_interpreter
from tests.world import Aws, Clock, World, aws


@pytest.fixture(scope="session")
def emulated_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """An emulated AWS without a stack in it."""
    with running_emulator(tmp_path_factory.mktemp("aws"), function_interpreter(), environments=1) as endpoint_url:
        yield aws(endpoint_url)


@pytest.fixture(scope="session")
def world_clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def world_sandbox(world_clock: Clock) -> Iterator[Sandbox]:
    with running_sandbox(clock=world_clock.timestamp) as sandbox:
        yield sandbox


@pytest.fixture
def world(emulated_aws: Aws, world_sandbox: Sandbox, world_clock: Clock) -> Iterator[World]:
    """The function's objects on fresh records, a sandbox that knows no job, and a clock that stands still."""
    world_clock.moment = Clock().moment
    world_sandbox.reset()
    world_sandbox.patch(**SandboxSettings(allowed_refreshes=100).model_dump())
    with emulated_aws.table() as table:
        yield World(emulated_aws, world_sandbox, table, emulated_aws.secret(world_sandbox.tokens), world_clock)
