"""The commands on jobs, as processes of their own: what they print, and what they exit with."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from finch_sync_cli.exit_codes import ExitCode, of_job
from tests.contract.servers import Behaviour, answer, read_request, serving
from tests.stack import Place

on_the_stack = pytest.mark.xdist_group("stack")

JOB = {"job_id": "job-1", "status": "in_progress", "created_at": "2026-11-22T12:00:00.000Z"}


def run(*arguments: str, url: str = "", token: str = "", timeout: float = 90) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "FINCH_SYNC_URL": url, "FINCH_SYNC_TOKEN": token, "COLUMNS": "120"}
    return subprocess.run(  # noqa: S603 - this project's own command
        [sys.executable, "-m", "finch_sync_cli", *arguments],
        env=environment | {"AWS_EC2_METADATA_DISABLED": "true"},
        cwd="/",  # where no local stack's file is found by itself
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


def run_as(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(*arguments, url=place.api_url, token=place.caller_token)


@pytest.fixture
def stack_file(place: Place, tmp_path: Path) -> Path:
    file = tmp_path / "stack.json"
    told = ("api_url", "aws_endpoint_url", "connections", "region")
    file.write_text(json.dumps({name: getattr(place.stack, name) for name in told}))
    return file


@on_the_stack
def test_a_job_is_triggered_and_drawn_from_its_executions(place: Place, stack_file: Path) -> None:
    local = ["--stack", str(stack_file), "--connection", place.connection]
    triggered = run("trigger", *local)
    assert triggered.returncode == ExitCode.COMPLETE, triggered.stderr
    job_id = triggered.stdout.strip()
    assert place.jobs_made() == [job_id]

    watched = run("watch", job_id, *local)

    assert watched.returncode == ExitCode.COMPLETE, watched.stderr
    assert watched.stdout.startswith(f"{job_id}  complete")
    assert "─ wait" in watched.stderr
    assert "● look" in watched.stderr
    listed = run("list", "--json", *local)
    assert [(job["job_id"], job["status"]) for job in json.loads(listed.stdout)] == [(job_id, "complete")]


@on_the_stack
def test_each_final_word_has_its_exit_code(new_place: Callable[[], Place]) -> None:
    words = ["complete", "error", "reauth_error", "permissions_error"]
    places = [new_place() for _ in words]
    for place, word in zip(places, words, strict=True):
        place.patch(completion_status=word)
    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(lambda place: run_as(place, "trigger", "--wait"), places))
    assert [each.returncode for each in ended] == [0, 1, 3, 3], [each.stderr for each in ended]
    for place, word in zip(places, words, strict=True):
        status = run_as(place, "status", "--json")
        assert json.loads(status.stdout)["status"] == word
        assert status.returncode == of_job(word, None)


@on_the_stack
def test_the_same_key_makes_one_job(place: Place) -> None:
    first, second = run_as(place, "trigger", "--key", "deploy-42"), run_as(place, "trigger", "--key", "deploy-42")
    assert first.stdout == second.stdout == f"{place.jobs_made()[0]}\n"
    assert place.posts() == 1


@on_the_stack
def test_an_assisted_connection_has_nothing_to_follow(assisted: Place) -> None:
    triggered = run_as(assisted, "trigger", "--wait")
    assert (triggered.returncode, triggered.stdout) == (ExitCode.COMPLETE, "")
    assert "assisted" in triggered.stderr


@on_the_stack
def test_watching_ends_when_it_was_told_to(place: Place) -> None:
    place.patch(in_progress_seconds=600)
    job_id = run_as(place, "trigger").stdout.strip()
    assert run_as(place, "status").returncode == ExitCode.STILL_RUNNING
    watched = run_as(place, "watch", job_id, "--timeout", "1")
    assert watched.returncode == ExitCode.STILL_RUNNING, watched.stderr


@on_the_stack
def test_a_token_that_opens_nothing_is_refused_in_one_line(place: Place) -> None:
    refused = run("status", url=place.api_url, token="wrong")
    assert refused.returncode == ExitCode.NO_ANSWER
    assert refused.stderr.startswith("finch-sync: 401 ")
    assert len(refused.stderr.splitlines()) == 1


def test_a_job_that_was_given_up_is_told_apart_from_one_that_runs() -> None:
    with _answering({"Finch-Sync-Tracking": "lost"}, 200, JOB) as url:
        status = run("watch", "job-1", url=url, token="token")
    assert status.returncode == ExitCode.TRACKING_ENDED
    assert "in_progress, tracking lost" in status.stdout


def test_it_asks_again_with_the_same_key_while_the_outcome_is_unknown() -> None:
    seen: list[bytes] = []
    unknown = {"code": 503, "name": "", "finch_code": "outcome_unknown", "message": "Ask again."}
    with _answering_in_turn(seen, [(503, {"Retry-After": "0"}, unknown), (200, {}, {"job_id": "job-1"})]) as url:
        triggered = run("trigger", url=url, token="token")
    assert (triggered.returncode, triggered.stdout) == (0, "job-1\n"), triggered.stderr
    first, second = (_header(request, b"idempotency-key") for request in seen)
    assert first == second != b""


def test_it_does_not_ask_again_where_that_is_of_no_use() -> None:
    seen: list[bytes] = []
    used_up = {"code": 429, "name": "", "finch_code": "finch_api_rl", "message": "None left."}
    with _answering_in_turn(seen, [(429, {"x-should-retry": "false", "Retry-After": "3000"}, used_up)]) as url:
        refused = run("trigger", url=url, token="token")
    assert refused.returncode == ExitCode.NO_ANSWER
    assert refused.stderr == "finch-sync: 429 finch_api_rl: None left.\n"
    assert len(seen) == 1


def test_an_answer_of_somebody_else_is_no_job() -> None:
    with serving(_behaviour([], [(200, {}, ["hello"])])) as port:
        status = run("status", "job-1", url=f"http://127.0.0.1:{port}", token="token")
    assert status.returncode == ExitCode.NO_ANSWER
    assert "Traceback" not in status.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["status", "--stack", "/nowhere/stack.json"],
        ["status", "no/id", "--url", "http://127.0.0.1:9", "--token", "token"],
        ["trigger", "--key", "two words", "--url", "http://127.0.0.1:9", "--token", "token"],
        ["list", "--limit", "0"],
        ["watch", "--connection", "acme", "--url", "http://127.0.0.1:9", "--token", "token"],
    ],
    ids=["no stack", "no file", "job id", "key", "limit", "connection"],
)
def test_wrong_usage_is_told_before_anything_is_called(arguments: list[str]) -> None:
    refused = run(*arguments)
    assert refused.returncode == ExitCode.USAGE
    assert refused.stdout == ""
    assert "Traceback" not in refused.stderr


Scripted = tuple[int, dict[str, str], Any]


def _answering(headers: dict[str, str], status: int, body: Any) -> "_answering_in_turn":
    return _answering_in_turn([], [(status, headers, body)])


class _answering_in_turn:  # noqa: N801 - reads as a function
    """A server on loopback that gives these answers, one a connection."""

    def __init__(self, seen: list[bytes], answers: list[Scripted]) -> None:
        self._serving = serving(_behaviour(seen, answers))

    def __enter__(self) -> str:
        return f"http://127.0.0.1:{self._serving.__enter__()}"

    def __exit__(self, *_: object) -> None:
        self._serving.__exit__(None, None, None)


def _behaviour(seen: list[bytes], answers: list[Scripted]) -> Behaviour:
    left, lock = iter(answers), threading.Lock()

    def behave(connection: Any) -> None:
        with lock:
            status, headers, body = next(left)
        seen.append(read_request(connection))
        given = "".join(f"\r\n{name}: {value}" for name, value in ({"Connection": "close"} | headers).items())
        connection.sendall(answer(json.dumps(body).encode(), f"{status} Said{given}"))

    return behave


def _header(request: bytes, name: bytes) -> bytes:
    lines = request.split(b"\r\n")
    return next((line.partition(b":")[2].strip() for line in lines if line.lower().startswith(name + b":")), b"")
