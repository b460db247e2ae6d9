"""The Finch sandbox as a process that can be killed and comes back, knowing all it knew."""

import json
import os
import shutil
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import finch_sandbox
from finch_sandbox.credentials import new_token
from local_aws import processes
from local_aws.finch import Finch

if TYPE_CHECKING:
    import psutil

_READY_SECONDS = 30.0


class RestartableSandbox:
    """A sandbox on one port, with its memory in a file."""

    def __init__(self, folder: Path, names: Sequence[str], settings: Mapping[str, Any]) -> None:
        self.finch = Finch(f"http://127.0.0.1:{processes.free_port()}", {name: new_token() for name in names})
        self._folder = folder
        self._settings = settings
        self._running = ExitStack()
        # A copy, for it is started again and again while somebody may be editing the original.
        self._sources = folder / "src"
        original = Path(finch_sandbox.__file__).parent
        shutil.copytree(original, self._sources / original.name, ignore=shutil.ignore_patterns("__pycache__"))
        self._process: psutil.Popen | None = None

    def start(self) -> None:
        """Start the process, and wait until it listens."""
        ready_file, log = self._folder / "sandbox.json", self._folder / "sandbox.log"
        ready_file.unlink(missing_ok=True)
        command = [
            sys.executable, "-m", "finch_sandbox", "--port", self.finch.url.rpartition(":")[2],
            "--state", str(self._folder / "sandbox.sqlite"), "--ready-file", str(ready_file),
            "--settings", json.dumps(dict(self._settings)),
        ]  # fmt: skip
        for name, token in self.finch.tokens.items():
            command += ["--connection", f"{name}={token}"]
        self._process = self._running.enter_context(
            processes.running(command, log, cwd=self._folder, env={**os.environ, "PYTHONPATH": str(self._sources)})
        )
        processes.ready(self._process, log, lambda: ready_file.exists() or None, _READY_SECONDS)

    def restart(self) -> None:
        """Kill the process (SIGKILL), and start another that remembers what the first one did."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._running.close()
        self.start()

    def stop(self) -> None:
        """End the process."""
        self._running.close()

    def ledger(self) -> dict[str, Any]:
        """What Finch saw and did, by its own account."""
        with urllib.request.urlopen(f"{self.finch.url}/_sandbox/ledger", timeout=60) as answer:  # noqa: S310 - loopback
            content: dict[str, Any] = json.load(answer)
        return content


@contextmanager
def restartable_sandbox(
    folder: Path, names: Sequence[str], settings: Mapping[str, Any]
) -> Iterator[RestartableSandbox]:
    """Run a sandbox for as long as the context lasts, through all its restarts."""
    sandbox = RestartableSandbox(folder, names, settings)
    try:
        sandbox.start()
        yield sandbox
    finally:
        sandbox.stop()
