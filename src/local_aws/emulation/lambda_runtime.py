"""Lambda functions in Python, run by AWS's own runtime interface client.

ministack's worker for Python reports every exception as `Runtime.HandlerError`, so that no Retry or Catch by name would
ever match. Its worker for custom runtimes speaks the Lambda Runtime API, which is all that AWS's client needs.
"""

import json
import os
import shlex
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from local_aws.emulation.replacing import Function, constant, replaces

_FROM_HOST = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE")
_FROM_MINISTACK = ("AWS_LAMBDA_", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
                   "AWS_SESSION_TOKEN", "_HANDLER", "LAMBDA_TASK_ROOT")  # fmt: skip
_INIT_SECONDS = 30.0


def install(python: str, client: str, environments: int, endpoint_url: str, answers: Path) -> None:
    """Route functions with a Python runtime through awslambdaric.

    Args:
        python: the interpreter that runs them.
        client: the folder that holds awslambdaric for that interpreter.
        environments: how many may run at once; ministack would start one process for each concurrent invocation.
        endpoint_url: the AWS endpoint of a function whose environment names none.
        answers: the file for what they return or fail with, a line of JSON each.
    """
    slots, writing = threading.BoundedSemaphore(environments), threading.Lock()
    # Several cold starts at once on a laptop's cores take longer than the ten seconds AWS allows one.
    constant(lambda_runtime, "_PROVIDED_INIT_TIMEOUT", _INIT_SECONDS)

    @replaces(lambda_runtime, "_worker_class_for")
    def worker_class(original: Function, config: Mapping[str, Any]) -> Any:
        return lambda_runtime.ProvidedWorker if _is_python(config) else original(config)

    @replaces(lambda_svc, "_execute_function_warm")
    def execute(original: Function, func: Mapping[str, Any], event: Any, request_id: str) -> Any:
        if not _is_python(func["config"]):
            return original(func, event, request_id)
        with slots:
            answer = lambda_svc._execute_function_provided_warm(func, event, request_id)
        with writing, answers.open("a") as file:
            file.write(json.dumps(answer["body"]) + "\n")
        return answer

    @replaces(lambda_svc, "_provided_runtime_code_dir")
    def code_folder(original: Function, code_zip: bytes) -> Any:
        folder = original(code_zip)
        # Written under ministack's own lock: a process forked meanwhile would keep the script open, and so unusable.
        with lambda_svc._provided_code_lock:
            bootstrap = Path(folder) / "bootstrap"
            if not bootstrap.exists():
                bootstrap.write_text(
                    f"#!/bin/sh\nPYTHONPATH={shlex.quote(client)} "
                    f'exec {shlex.quote(python)} -m awslambdaric "$_HANDLER"\n'
                )
                bootstrap.chmod(0o755)
        return folder

    @replaces(lambda_svc, "_provided_worker_env")
    def worker_environment(original: Function, config: Mapping[str, Any], code_dir: str, port: int) -> dict[str, str]:
        """Give the function what Lambda gives it and nothing of the emulator's own."""
        given: dict[str, str] = original(config, code_dir, port)
        own: dict[str, str] = (config.get("Environment") or {}).get("Variables") or {}
        logging = config.get("LoggingConfig") or {}
        inherited = {
            name: value
            for name, value in given.items()
            if value and (name.startswith(_FROM_MINISTACK) or (name in _FROM_HOST and name in os.environ))
        }
        return {
            **inherited,
            **own,
            "AWS_ENDPOINT_URL": own.get("AWS_ENDPOINT_URL") or endpoint_url,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{config['Runtime']}",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_FORMAT": logging.get("LogFormat", "Text"),
            "AWS_LAMBDA_LOG_GROUP_NAME": logging.get("LogGroup") or f"/aws/lambda/{config['FunctionName']}",
            "LAMBDA_RUNTIME_DIR": client,
            "TZ": ":UTC",
        }


def _is_python(config: Mapping[str, Any]) -> bool:
    return str(config.get("Runtime", "")).startswith("python")
