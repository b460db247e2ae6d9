"""The places that everything passes which the tests make the code log, raise, answer, print or send to AWS."""

import logging
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import boto3
import pytest

from finch_sync import app
from tests import canaries

KEEPS_CREDENTIALS = {"secretsmanager"}
"""The AWS services whose requests hold credentials on purpose: the connections' secret is where they belong."""


@contextmanager
def searching() -> Iterator[None]:
    """Search, as long as the block lasts, all that this process and the processes that it starts let out."""
    ear = _Ear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "handler", _searched_handler(app.handler))
        patch.setattr(pytest.RaisesExc, "__exit__", _searched_exit(pytest.RaisesExc.__exit__))
        patch.setattr(pytest.CaptureFixture, "readouterr", _searched_output(pytest.CaptureFixture.readouterr))
        patch.setattr(subprocess, "run", _searched_run(subprocess.run))
        logging.getLogger().addHandler(ear)
        app.logger.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(ear)


def search_requests(session: boto3.Session) -> boto3.Session:
    """Search all that the session's clients, those to come, send to AWS: what is not sent is not kept either."""
    session.events.register("provide-client-params", _search_request)
    return session


def _search_request(params: dict[str, Any], model: Any, **_: Any) -> None:
    if model.service_model.service_name not in KEEPS_CREDENTIALS:
        canaries.search(f"request {model.name}", params)


class _Ear(logging.Handler):
    """Hears every log line: message, fields and the error with it."""

    def emit(self, record: logging.LogRecord) -> None:
        error = [record.exc_info[1]] if record.exc_info else []
        canaries.search(f"log line of {record.name}", record.getMessage(), vars(record), *error)


def _searched_handler(handler: Any) -> Any:
    @wraps(handler)
    def searched(*given: Any) -> Any:
        try:
            answer = handler(*given)
        except BaseException as error:
            canaries.search("error out of the function", error)
            raise
        canaries.search("answer of the function", answer)
        return answer

    return searched


def _searched_exit(leave: Any) -> Any:
    @wraps(leave)
    def searched(expected: Any, kind: Any, error: BaseException | None, trace: Any) -> Any:
        if error is not None:
            canaries.search("expected error", error)
        return leave(expected, kind, error, trace)

    return searched


def _searched_output(read: Any) -> Any:
    @wraps(read)
    def searched(captured: Any) -> Any:
        told = read(captured)
        canaries.search("captured output", *told)
        return told

    return searched


def _searched_run(run: Any) -> Any:
    @wraps(run)
    def searched(*given: Any, **named: Any) -> Any:
        ended = run(*given, **named)
        canaries.search(f"output of {ended.args[0]}", ended.stdout, ended.stderr)
        return ended

    return searched
