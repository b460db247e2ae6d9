"""One process of a function, from its start to its last answer: how many instructions, how much memory."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.endpoints import Services, running_runtime

SECRET = "arn:aws:secretsmanager:us-east-1:000000000000:secret:connections"  # noqa: S105 - its name, not itself
MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:follow"
_PATIENCE_SECONDS = 600.0


class BenchmarkError(RuntimeError):
    """Something could not be measured."""


@dataclass(frozen=True)
class Measured:
    """What a process took.

    Attributes:
        instructions: That it ran in user space; 0 if they were not counted.
        peak_kib: Its largest resident set.
        answers: What it answered.
    """

    instructions: int
    peak_kib: int
    answers: list[Any]


def run(
    command: Sequence[str],
    folder: Path,
    services: Services,
    events: Sequence[Mapping[str, Any]],
    *,
    counted: bool,
    environment: Mapping[str, str] | None = None,
) -> Measured:
    """Run a function's process with some events, and end it after the last answer.

    Raises:
        BenchmarkError: an invocation failed.
    """
    count_file = Path(services.roots.parent) / f"cachegrind.{os.urandom(4).hex()}"
    counting = [_valgrind(), "--tool=cachegrind", "--cache-sim=no", f"--cachegrind-out-file={count_file}"]
    log = services.roots.parent / "process.log"
    with running_runtime(events) as runtime, log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own arguments
            [*(counting if counted else []), *command],
            cwd=folder,
            stdout=output,
            stderr=output,
            env=_environment(services, folder) | {"AWS_LAMBDA_RUNTIME_API": runtime.address, **(environment or {})},
        )
        ended = _watch(process, runtime.finished)
        if not runtime.finished.is_set() or any(kind == "error" for kind, _ in runtime.answers):
            raise BenchmarkError(f"{ended}: {runtime.answers}\n{log.read_text(errors='replace')[-4000:]}")
        answers = [answer for _, answer in runtime.answers]
    instructions = 0
    if counted:
        found = re.search(r"^summary: (\d+)", count_file.read_text(), re.MULTILINE)
        count_file.unlink()
        if found is None:
            raise BenchmarkError("cachegrind gave no summary")
        instructions = int(found[1])
    return Measured(instructions, ended, answers)


def _watch(process: "subprocess.Popen[bytes]", finished: Any) -> int:
    """Wait for the last answer, end the process, and return its peak of memory in KiB."""
    waited = 0.0
    while not finished.wait(0.2) and process.poll() is None and waited < _PATIENCE_SECONDS:
        waited += 0.2
    if process.returncode is not None:
        return 0
    peak = _peak_kib(process.pid)
    process.terminate()
    process.wait()
    return peak


def _peak_kib(pid: int) -> int:
    # Not by wait4: its ru_maxrss counts what the starter had resident, which a vfork shares until the exec.
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def _environment(services: Services, folder: Path) -> dict[str, str]:
    """Lambda's own variables, the template's, and where the services are."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "LAMBDA_TASK_ROOT": str(folder),
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_SESSION_TOKEN": "bench",
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "TZ": ":UTC",
        "AWS_ENDPOINT_URL_DYNAMODB": services.urls["dynamodb"],
        "AWS_ENDPOINT_URL_SFN": services.urls["states"],
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": services.urls["secretsmanager"],
        "SSL_CERT_FILE": str(services.roots),
        "FINCH_BASE_URL": services.urls["finch"],
        "TABLE_NAME": "records",
        "CONNECTIONS_SECRET_ID": SECRET,
        "STATE_MACHINE_ARN": MACHINE,
        "SCHEDULED_CONNECTIONS": "",
        "EVENT_BUS_NAME": "default",
        "JOB_DEADLINE_SECONDS": "21600",
        "FIRST_JOB_SECONDS": "0",
        "POWERTOOLS_SERVICE_NAME": "finch-sync",
        "POWERTOOLS_METRICS_NAMESPACE": "FinchSync",
    }


def _valgrind() -> str:
    found = shutil.which("valgrind")
    if found is None:
        sys.stderr.write("valgrind counts the instructions: install it (Debian: apt-get install valgrind)\n")
        raise SystemExit(2)
    return found
