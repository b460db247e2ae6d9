"""Servers that all tests share: an emulated AWS and a Finch sandbox, on loopback."""

from collections.abc import Callable, Generator, Iterator

import pytest

from finch_sandbox.server import Sandbox, running_sandbox
from finch_sandbox.settings import Settings as SandboxSettings
from local_aws.emulator import running_emulator
from local_aws.interpreter import function_interpreter
from local_aws.stack import Stack
from tests import canaries
from tests.searching import searching
from tests.stack import SANDBOX, SCHEDULED, TELLING_SANDBOX, Place
from tests.world import Aws, Clock, World, aws
from tests.written_down import searched_stack


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,  # noqa: ARG001 - pytest gives them by name
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let each phase of a test fail in which a credential got where it does not belong."""
    report = yield
    if call.excinfo is not None:
        canaries.search("error", call.excinfo.value, str(report.longrepr))
    canaries.search("output", *(text for title, text in report.sections if title.endswith(call.when)))
    if leaks := canaries.taken():
        told = "\n".join(["credentials were found in:", *dict.fromkeys(leaks)])
        report.outcome = "failed"
        report.longrepr = f"{told}\n{canaries.hidden(report.longreprtext)}".rstrip()
        report.sections = [(title, canaries.hidden(text)) for title, text in report.sections]
    return report


@pytest.fixture(scope="session", autouse=True)
def everything_is_searched() -> Iterator[None]:
    with searching():
        yield


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
    canaries.search("what Finch saw", world_sandbox.ledger())


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The deployed stack. Who uses it is in the group `stack`, which keeps it in one worker of pytest-xdist."""
    schedule = {"ScheduleExpression": "cron(* * * * ? *)", "ScheduledConnections": SCHEDULED}
    with searched_stack(SANDBOX, parameters=schedule) as running:
        # It fires at the next full minute, while other tests run.
        running.session.client("events", endpoint_url=running.aws_endpoint_url).enable_rule(Name=running.rule_name)
        yield running


@pytest.fixture(scope="session")
def new_place(stack: Stack) -> Callable[[], Place]:
    """Gives a connection that was not used before."""
    names = (name for name in stack.connections if name.startswith("place-"))
    return lambda: Place(stack, next(names))


@pytest.fixture
def place(new_place: Callable[[], Place]) -> Place:
    """A connection of the test's own."""
    return new_place()


@pytest.fixture
def assisted(stack: Stack) -> Place:
    """A connection for which Finch makes no jobs, and which keeps no state."""
    return Place(stack, "initech-assisted")


@pytest.fixture(scope="session")
def told_stack() -> Iterator[Stack]:
    """A stack that Finch tells of its jobs' ends by webhooks. Who uses it is in the group `told_stack`."""
    # With a first look that comes late: what a webhook brings about shows before.
    with searched_stack(TELLING_SANDBOX, parameters={"FirstJobSeconds": "0"}) as running:
        yield running
