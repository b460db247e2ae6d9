"""The command in a process of its own: what it prints, how it stops, and what survives its end."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3

from finch_sandbox.server import Sandbox

START_SECONDS = 20


@contextmanager
def command(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    arguments = [sys.executable, "-m", "finch_sandbox", "--ready-file", str(ready), *options]
    with subprocess.Popen(  # noqa: S603 - this project's own command
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"}
    ) as process:
        try:
            deadline = time.monotonic() + START_SECONDS
            while not ready.exists():
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield process, json.loads(ready.read_text())
        finally:
            process.kill()


def call(record: dict[str, Any], method: str, path: str, connection: str = "acme", body: object = None) -> Any:
    token = record["connections"][connection]["token"]
    headers = {"Authorization": f"Bearer {token}", "Finch-API-Version": "2020-09-17"}
    with urllib3.PoolManager(retries=False, timeout=5) as pool:
        return pool.request(method, record["url"] + path, json=body, headers=headers).json()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_without_options_it_has_three_connections_and_stops_cleanly(tmp_path: Path, stop: signal.Signals) -> None:
    with command(tmp_path) as (process, record):
        kinds = {name: connection["kind"] for name, connection in record["connections"].items()}
        assert kinds == {"acme": "automated", "globex": "automated", "initech-assisted": "assisted"}
        tokens = [connection["token"] for connection in record["connections"].values()]
        assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", token) for token in tokens)
        process.send_signal(stop)
        printed, errors = process.communicate(timeout=10)
        assert process.returncode == 0
        assert errors == ""
        assert record["url"] in printed
        assert all(token in printed for token in tokens)


def test_the_printed_curl_line_is_a_call_that_works(tmp_path: Path) -> None:
    with command(tmp_path) as (process, record):
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("curl "))
        words = shlex.split(line)
        assert words[:3] == ["curl", "-X", "POST"]
        headers = dict(words[i + 1].split(": ", 1) for i, word in enumerate(words) if word == "-H")
        body = words[words.index("-d") + 1]
        with urllib3.PoolManager(retries=False, timeout=5) as pool:
            answer = pool.request("POST", words[3], headers=headers, body=body)
        assert answer.status == 200
        assert call(record, "GET", f"/jobs/automated/{answer.json()['job_id']}")["status"] == "pending"


def test_options_choose_connections_tokens_and_settings(tmp_path: Path) -> None:
    settings = {"pending_seconds": 0, "connections": {"one": {"in_progress_seconds": 0, "completion_status": "error"}}}
    options = ["--connection", "one=token-1", "--assisted", "two=token-2", "--settings", json.dumps(settings)]
    with command(tmp_path, *options) as (_, record):
        assert record["connections"] == {
            "one": {"token": "token-1", "kind": "automated"},
            "two": {"token": "token-2", "kind": "assisted"},
        }
        job_id = call(record, "POST", "/sandbox/jobs", "one", {"type": "data_sync_all"})["job_id"]
        assert call(record, "GET", f"/jobs/automated/{job_id}", "one")["status"] == "error"


def test_it_stops_at_once_though_a_request_is_slow(tmp_path: Path) -> None:
    with command(tmp_path) as (process, record), ThreadPoolExecutor(1) as thread:
        rule = {"fault": {"kind": "slow", "seconds": 600, "when": "after"}}
        call(record, "POST", "/_sandbox/faults", body=rule)
        answer = thread.submit(call, record, "POST", "/sandbox/jobs", "acme", {"type": "data_sync_all"})
        deadline = time.monotonic() + 5
        while not call(record, "GET", "/_sandbox/ledger")["jobs"] and time.monotonic() < deadline:
            time.sleep(0.02)
        process.terminate()
        with pytest.raises(urllib3.exceptions.ProtocolError):
            answer.result(timeout=10)
        _, errors = process.communicate(timeout=10)
        assert process.returncode == 0
        assert errors == ""


def test_wrong_settings_are_refused_at_the_start() -> None:
    arguments = [sys.executable, "-m", "finch_sandbox", "--settings", '{"nonsense": 1}']
    refused = subprocess.run(arguments, capture_output=True, text=True, timeout=START_SECONDS, check=False)  # noqa: S603 - as above
    assert refused.returncode == 2
    assert "nonsense" in refused.stderr


def test_a_killed_sandbox_comes_back_with_everything_it_knew(tmp_path: Path) -> None:
    options = ["--state", str(tmp_path / "state.sqlite")]
    with command(tmp_path, *options) as (process, before):
        configuration = {"type": "data_sync_all", "completion_status": "error"}
        call(before, "PUT", "/sandbox/jobs/configuration", body=configuration)
        job_id = call(before, "POST", "/sandbox/jobs", body={"type": "data_sync_all"})["job_id"]
        process.kill()
        process.wait()
    with command(tmp_path, *options) as (_, after):
        assert after["connections"] == before["connections"]
        again = call(after, "POST", "/sandbox/jobs", body={"type": "data_sync_all"})
        assert (again["job_id"], again["remaining_refreshes"]) == (job_id, 1)
        assert call(after, "GET", "/sandbox/jobs/configuration") == [configuration]
        ledger = call(after, "GET", "/_sandbox/ledger")
        assert [entry["effect"] for entry in ledger["requests"]] == [
            "configured",
            "job_created",
            "job_attached",
            "none",
        ]


def test_a_port_in_use_is_said_plainly(sandbox: Sandbox) -> None:
    port = sandbox.url.rpartition(":")[2]
    arguments = [sys.executable, "-m", "finch_sandbox", "--port", port]
    refused = subprocess.run(arguments, capture_output=True, text=True, timeout=START_SECONDS, check=False)  # noqa: S603 - as above
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"Cannot listen on 127.0.0.1:{port}: Address already in use")
    assert "Traceback" not in refused.stderr
