"""A Finch that fails as it is told to, our client of it, and an ear for everything that the client lets out."""

import logging
import traceback
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from finch_sandbox.server import Sandbox, running_sandbox
from finch_sync.finch import Finch

CANARY = "canary-of-finch-5f1c2b"


@dataclass(frozen=True)
class Heard:
    """What was logged, and what the errors that were raised say, down to the first of each chain."""

    logs: pytest.LogCaptureFixture
    errors: list[BaseException]

    def remember(self, error: BaseException) -> None:
        self.errors.append(error)

    def everything(self) -> str:
        words = [repr(vars(record)) for record in self.logs.records]
        for error in self.errors:
            link: BaseException | None = error
            told: set[int] = set()  # urllib3 makes chains that end where they began
            while link is not None and id(link) not in told:
                told.add(id(link))
                words += traceback.format_exception(link)
                words += [repr(link), repr(vars(link))]
                link = link.__cause__ or link.__context__
        return "\n".join(words)


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> Iterator[Heard]:
    """Whatever a test does, neither a log line nor an error may hold the token that it called Finch with."""
    caplog.set_level(logging.DEBUG)
    ear = Heard(caplog, [])
    yield ear
    assert CANARY not in ear.everything()


@pytest.fixture(scope="session")
def failing_sandbox() -> Iterator[Sandbox]:
    with running_sandbox(tokens={"acme": CANARY}) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(failing_sandbox: Sandbox) -> Sandbox:
    failing_sandbox.reset()
    return failing_sandbox


@pytest.fixture(scope="session")
def client(failing_sandbox: Sandbox) -> Finch:
    """One for all: to read which authorities vouch for certificates takes longer than a test."""
    return Finch(failing_sandbox.url)
