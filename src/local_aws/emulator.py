"""The emulator's process: ministack, patched, on a free loopback port."""

import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3

from local_aws import processes
from local_aws.environments import PROJECT, environment, runtime_interface_client
from local_aws.interpreter import Interpreter

REGION = "us-east-1"
# The emulator knows no users; any key is somebody of its one account.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}

_READY_SECONDS = 60.0


def session() -> boto3.Session:
    """Return a session for any emulator; its clients need the emulator's `endpoint_url`."""
    return boto3.Session(
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )


@contextmanager
def running_emulator(
    folder: Path, interpreter: Interpreter, environments: int, host: str = "127.0.0.1"
) -> Iterator[str]:
    """Run an emulator and give its endpoint.

    Args:
        folder: where it keeps its log and all its files.
        interpreter: what runs the functions.
        environments: how many functions may run at once.
        host: the address that it listens on.

    Raises:
        ProcessError: it did not get ready.
    """
    python = environment("ministack") / "python"
    client = runtime_interface_client(interpreter.path, interpreter.version)
    temporary = folder / "tmp"
    temporary.mkdir()
    port = processes.free_port(host)
    url = f"http://{host}:{port}"
    log = folder / "emulator.log"
    command = [
        str(python), "-m", "local_aws.emulation",
        "--python", str(interpreter.path), "--client", str(client), "--environments", str(environments),
        "--answers", str(folder / "answers.jsonl"),
    ]  # fmt: skip
    settings = {
        "BIND_HOST": host,
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        "TMPDIR": str(temporary),
        "PYTHONPATH": str(PROJECT / "src"),
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    with processes.running(command, log, cwd=folder, env={**inherited, **settings}) as process:
        processes.ready(process, log, lambda: _answers(f"{url}/_ministack/health"), _READY_SECONDS)
        yield url


def _answers(url: str) -> bool | None:
    try:
        with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - loopback
            return True
    except (urllib.error.URLError, OSError):
        return None
