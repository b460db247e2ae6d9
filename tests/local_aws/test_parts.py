"""The parts of the local AWS that work without one."""

import hashlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from rich.console import Console

from local_aws import processes
from local_aws.connections import for_tokens, secret_string
from local_aws.emulation.replacing import UnknownVersionError, constant, replaces
from local_aws.finch import Finch
from local_aws.up import InUseError, keep_up
from tests.local_aws.conftest import Aws, eventually

pytestmark = pytest.mark.xdist_group("emulator")


def test_the_secret_holds_callers_as_digests_only() -> None:
    [connection] = for_tokens({"acme": "finch-token"})
    text = secret_string([connection], ["c2VjcmV0"])
    assert connection.caller_token not in text
    assert json.loads(text) == {
        "connections": {
            "acme": {
                "finch_token": "finch-token",
                "callers": [{"sha256": hashlib.sha256(connection.caller_token.encode()).hexdigest()}],
            }
        },
        "webhook_secrets": ["c2VjcmV0"],
    }


def test_callers_tokens_are_never_the_same() -> None:
    first, second = for_tokens({"acme": "a", "globex": "b"})
    assert first.caller_token != second.caller_token


def test_a_replacement_gets_the_original() -> None:
    emulator: Any = SimpleNamespace(__name__="emulator", answer=lambda: 41)

    @replaces(emulator, "answer")
    def better(original: Any) -> Any:
        return original() + 1

    assert emulator.answer() == 42


def test_replacing_what_is_not_there_fails_loudly() -> None:
    emulator: Any = SimpleNamespace(__name__="emulator")
    with pytest.raises(UnknownVersionError, match="emulator has no answer"):
        replaces(emulator, "answer")
    with pytest.raises(UnknownVersionError, match="emulator has no interval"):
        constant(emulator, "interval", 1)


def test_a_server_that_ends_early_shows_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    command = [sys.executable, "-c", "raise SystemExit('no such port')"]
    with (
        processes.running(command, log, cwd=tmp_path, env={}) as process,
        pytest.raises(processes.ProcessError, match="no such port"),
    ):
        processes.ready(process, log, lambda: None, seconds=20)


def test_a_server_that_ignores_sigterm_ends_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_GRACE_SECONDS", 0.5)
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    family = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {stubborn!r}]); exec({stubborn!r})"
    log = tmp_path / "server.log"
    with processes.running([sys.executable, "-c", family], log, cwd=tmp_path, env={}) as process:
        processes.ready(process, log, lambda: log.read_text().count("up") == 2 or None, seconds=20)
        members = [process, *process.children()]
    assert len(members) == 2
    assert not any(processes.alive(member) for member in members)


def test_a_server_ends_when_its_starter_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    starter = f"""
import sys, time
from pathlib import Path
from local_aws import processes
server = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"]
with processes.running(server, Path({str(log)!r}), cwd=Path({str(tmp_path)!r}), env={{}}):
    time.sleep(60)
"""
    with processes.running([sys.executable, "-c", starter], tmp_path / "starter.log", cwd=tmp_path, env={}) as process:
        said = processes.ready(
            process, tmp_path / "starter.log", lambda: (log.exists() and log.read_text().strip()) or None, seconds=20
        )
        server = psutil.Process(int(said))
        process.kill()
        process.wait()
        eventually(lambda: not processes.alive(server) or None)


def test_a_running_stacks_file_is_not_overwritten(aws: Aws, tmp_path: Path) -> None:
    out = tmp_path / "stack.json"
    out.write_text(json.dumps({"aws_endpoint_url": aws.endpoint_url}))
    with pytest.raises(InUseError, match="OUT="):
        keep_up(Finch("http://127.0.0.1:9", {}), out, Console())
    assert json.loads(out.read_text()) == {"aws_endpoint_url": aws.endpoint_url}
