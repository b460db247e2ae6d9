"""`make sam-local` where there is no Docker, and what it takes for a right answer."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from local_aws import event_answers
from local_aws.environments import PROJECT


def sam_local_without_docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-m", "local_aws", "sam-local", *arguments],
        cwd=PROJECT,
        env={**os.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock", "DOCKER_CONTEXT": "default"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def http(status: int, **body: object) -> dict[str, Any]:
    return {"statusCode": status, "headers": {}, "body": json.dumps(body), "isBase64Encoded": False}


def test_without_docker_it_fails_and_says_what_was_not_run() -> None:
    run = sam_local_without_docker()
    assert run.returncode == 1
    assert "NOT RUN" in run.stdout
    assert "No Docker engine answers" in run.stdout
    assert "sam local invoke" in run.stdout
    assert "sam local start-api" in run.stdout


def test_without_docker_it_passes_if_told_to_and_says_so_as_loudly() -> None:
    run = sam_local_without_docker("--allow-missing-docker")
    assert run.returncode == 0
    assert run.stdout == sam_local_without_docker().stdout


def test_the_answer_to_every_payload_is_known() -> None:
    assert event_answers.names() == {file.stem for file in (PROJECT / "events").iterdir()}


@pytest.mark.parametrize("name", sorted(event_answers.names()))
def test_an_exception_is_never_a_right_answer(name: str) -> None:
    raised = {"errorType": "SettingsError", "errorMessage": "TABLE_NAME: Field required", "stackTrace": []}
    assert event_answers.mistake(name, raised) == "raised SettingsError: TABLE_NAME: Field required"


@pytest.mark.parametrize("name", sorted(event_answers.names()))
@pytest.mark.parametrize("answer", [{}, [], "", 0, {"message": "Internal server error"}, http(502, message="no")])
def test_an_answer_of_another_shape_is_never_right(name: str, answer: object) -> None:
    assert event_answers.mistake(name, answer) is not None


def test_nothing_is_right_only_where_nothing_is_due() -> None:
    assert {name for name in event_answers.names() if event_answers.mistake(name, None) is None} == {
        "execution_timed_out"
    }


def test_one_connection_that_failed_makes_a_tick_wrong() -> None:
    tick = {"acme": "accepted", "globex": "attached", "initech-assisted": "no_job"}
    assert event_answers.mistake("schedule_by_rule", tick) is None
    assert event_answers.mistake("schedule_by_rule", tick | {"globex": "failed: ClientError"}) is not None


def test_a_repetition_has_the_same_bytes_and_says_so() -> None:
    first = http(200, job_id="a")
    replayed = first | {"headers": {"Idempotent-Replayed": "true"}}
    assert event_answers.mistake_of_repetition(first, replayed) is None
    assert event_answers.mistake_of_repetition(first, first) is not None
    assert event_answers.mistake_of_repetition(first, replayed | {"body": '{"job_id": "b"}'}) is not None
