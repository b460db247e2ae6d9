"""A Finch that fails as it is told to, and our client of it."""

import logging
from collections.abc import Iterator

import pytest

from finch_sandbox.credentials import new_token
from finch_sandbox.server import Sandbox, running_sandbox
from finch_sync.finch import Finch

TOKEN = new_token()


@pytest.fixture(autouse=True)
def every_library_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    """What urllib3 says of a request is searched for the token too."""
    caplog.set_level(logging.DEBUG)


@pytest.fixture(scope="session")
def failing_sandbox() -> Iterator[Sandbox]:
    with running_sandbox(tokens={"acme": TOKEN}) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(failing_sandbox: Sandbox) -> Sandbox:
    failing_sandbox.reset()
    return failing_sandbox


@pytest.fixture(scope="session")
def client(failing_sandbox: Sandbox) -> Finch:
    """One for all: to read which authorities vouch for certificates takes longer than a test."""
    return Finch(failing_sandbox.url)
