"""Starting, watching and ending the processes of a stack."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psutil

_T = TypeVar("_T")
_GRACE_SECONDS = 5.0
_LOG_LINES = 40


class ProcessError(RuntimeError):
    """A process ended, or did not get ready, when it should be serving."""


@contextmanager
def running(command: Sequence[str], log: Path, *, cwd: Path, env: Mapping[str, str]) -> Iterator[psutil.Popen]:
    """Run a server for as long as the context lasts, its output in `log`; end it and its children afterwards.

    The server is in a session of its own, so that Ctrl-C in the terminal reaches it through us, after its users.
    Should we be killed, its leash ends it.
    """
    with log.open("ab") as output:
        process = psutil.Popen(
            list(command), stdout=output, stderr=subprocess.STDOUT, cwd=cwd, env=dict(env), start_new_session=True
        )
    leash = subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-m", "local_aws.leash", str(process.pid), repr(process.create_time())],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        end(process)
        process.wait()
        leash.communicate()


def ready(process: psutil.Popen, log: Path, probe: Callable[[], _T | None], seconds: float) -> _T:
    """Wait until `probe` gives something else than None.

    Raises:
        ProcessError: the process ended, or `seconds` passed; the message ends with the log's last lines.
    """
    deadline = time.monotonic() + seconds
    while (answer := probe()) is None:
        if process.poll() is not None:
            raise ProcessError(f"ended with {process.returncode} before it was ready:\n{tail(log)}")
        if time.monotonic() > deadline:
            raise ProcessError(f"not ready after {seconds:g} s:\n{tail(log)}")
        time.sleep(0.05)
    return answer


def tail(log: Path, lines: int = _LOG_LINES) -> str:
    """Return the last lines of a log, or a note that there is none."""
    if not log.exists():
        return f"(no {log.name})"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port of one of this machine's addresses that nobody listens on."""
    with socket.socket() as listener:
        listener.bind((host, 0))
        port: int = listener.getsockname()[1]
        return port


def alive(process: psutil.Process) -> bool:
    """Whether a process still runs; one that has ended but was not waited for, as a child's child may be, does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end(process: psutil.Process) -> None:
    """Ask a process and its children to end, and make them after a grace period."""
    if not alive(process):
        return
    family = [*process.children(recursive=True), process]
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.terminate()
    _await_end(family)
    for member in filter(alive, family):
        with suppress(psutil.NoSuchProcess):
            member.kill()
    _await_end(family)


def _await_end(family: Sequence[psutil.Process]) -> None:
    deadline = time.monotonic() + _GRACE_SECONDS
    while any(map(alive, family)) and time.monotonic() < deadline:
        time.sleep(0.02)
