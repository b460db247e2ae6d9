"""`make sam-local`: every payload in events/ through `sam local invoke`, and the API through `sam local start-api`.

The function runs in a container. What it calls is a local stack on the address where containers reach this host.
"""

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from finch_sandbox.server import running_sandbox
from finch_sandbox.settings import Settings as SandboxSettings
from finch_sync.jobs import Tracking
from local_aws import docker, event_answers, event_premises, processes, sam
from local_aws.emulator import REGION
from local_aws.environments import PROJECT, environment
from local_aws.finch import Finch
from local_aws.interpreter import Interpreter, function_interpreter
from local_aws.stack import Stack, running_stack

_FUNCTION = "SyncFunction"
_READY_SECONDS = 60.0
_HTTP_SECONDS = 60.0


class SamLocalError(RuntimeError):
    """The function did not answer under SAM as it must."""


def run_events(console: Console) -> None:
    """Run every payload, and the API once, with every answer asserted on.

    Raises:
        SamLocalError: an answer is wrong; the message holds the function's log.
        SetupError: Docker's bridge or the image cannot be used.
    """
    begun = time.monotonic()

    def say(step: str) -> None:
        console.print(f"{time.monotonic() - begun:6.1f} s  {step}", highlight=False, markup=False, soft_wrap=True)

    files = sorted(event_premises.EVENTS.glob("*.json"))
    if {file.stem for file in files} != event_answers.names():
        raise SamLocalError("local_aws.event_answers does not say what each file in events/ must be answered")
    interpreter, host = function_interpreter(), docker.bridge_address()
    image, of_aws = docker.image_of_runtime(interpreter.version)
    say(f"runs under SAM's emulator on {'the image' if of_aws else 'a stand-in image for'} {image}")

    settings = SandboxSettings(allowed_refreshes=100, pending_seconds=0.5, in_progress_seconds=1)
    with (
        running_sandbox(settings, host=host) as sandbox,
        running_stack(Finch(sandbox.url, sandbox.tokens), host=host, on_step=say) as stack,
    ):
        event_premises.make_true(stack, sandbox)
        local = _SamLocal(stack, sam.build(interpreter), interpreter, say)
        mistakes = [*local.wrong_answers(files), *local.wrong_over_http()]
        say("stopping everything")
    if mistakes:
        raise SamLocalError("\n\n".join(mistakes))
    say(f"done: {len(files)} payloads, a repetition, a POST and a GET were answered as they must be")


@dataclass(frozen=True)
class _SamLocal:
    """SAM's two ways to run the function, against a stack."""

    stack: Stack
    template: Path
    interpreter: Interpreter
    say: Callable[[str], None]

    def wrong_answers(self, files: list[Path]) -> list[str]:
        """Invoke with every payload, and say what was wrong."""
        mistakes, answers = [], {}
        for file in files:
            answers[file.stem], log = self._invoke(file)
            mistake = event_answers.mistake(file.stem, answers[file.stem])
            self._tell(file.name, answers[file.stem], mistake)
            if mistake is not None:
                mistakes.append(f"{file.name}: the answer {mistake}\n{log}")

        repeated = event_premises.EVENTS / "http_post_idempotent.json"
        answer, log = self._invoke(repeated)
        mistake = event_answers.mistake_of_repetition(answers[repeated.stem], answer)
        self._tell(f"{repeated.name}, again", answer, mistake)
        if mistake is not None:
            mistakes.append(f"{repeated.name}, again: the answer {mistake}\n{log}")

        job = event_premises.job_of_dead_execution(self.stack)
        if job is None or job.tracking is not Tracking.TIMED_OUT:
            mistakes.append(f"execution_timed_out.json did not end its job's tracking: {job}")
        return mistakes

    def wrong_over_http(self) -> list[str]:
        """POST and GET once through the local API, and say what was wrong."""
        port = processes.free_port()
        url, log = f"http://127.0.0.1:{port}", self.stack.folder / "start-api.log"
        command = self._command("start-api", "--host", "127.0.0.1", "--port", str(port))
        with processes.running(command, log, cwd=PROJECT, env=sam.environment_of_its_own()) as process:
            processes.ready(process, log, lambda: _call(f"{url}/jobs/automated"), _READY_SECONDS)
            status, posted = _call(f"{url}/sandbox/jobs", b'{"type":"data_sync_all"}') or (0, {})
            self.say(f"POST under start-api: {status} {posted}")
            status, got = _call(f"{url}/jobs/automated/{posted.get('job_id')}") or (0, {})
            self.say(f"GET under start-api: {status} {got}")
        if status == 200 and got["job_id"] == posted["job_id"]:
            return []
        return [f"start-api answered the POST {posted}, the GET of its job {status} {got}\n{processes.tail(log)}"]

    def _invoke(self, event: Path) -> tuple[Any, str]:
        run = subprocess.run(  # noqa: S603 - our own arguments
            self._command("invoke", _FUNCTION, "--event", str(event)),
            cwd=PROJECT,
            env=sam.environment_of_its_own(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        # SAM's exit code is 0 for a function that raised, and its output empty for one that crashed.
        last = (run.stdout.strip().splitlines() or [""])[-1]
        try:
            return json.loads(last), run.stderr
        except ValueError:
            return {"errorType": "NoAnswer", "errorMessage": f"it printed {last!r}"}, run.stderr

    def _command(self, verb: str, *arguments: str) -> list[str]:
        return [
            str(environment("sam") / "sam"), "local", verb, *arguments,
            "--config-file", str(PROJECT / "samconfig.toml"), "--config-env", "local",
            "--template-file", str(self.template), "--parameter-overrides", f"Runtime={self.interpreter.runtime}",
            "--region", REGION, "--env-vars", str(self._variables()),
        ]  # fmt: skip

    def _variables(self) -> Path:
        """Write down what the template does not know here, where nothing of it was deployed."""
        file = self.stack.folder / "variables.json"
        variables = {
            "FINCH_BASE_URL": self.stack.finch_url,
            "TABLE_NAME": self.stack.table_name,
            "CONNECTIONS_SECRET_ID": self.stack.connections_secret_arn,
            "STATE_MACHINE_ARN": self.stack.state_machine_arn,
            "AWS_ENDPOINT_URL": self.stack.aws_endpoint_url,
        }
        file.write_text(json.dumps({_FUNCTION: variables}))
        return file

    def _tell(self, what: str, answer: Any, mistake: str | None) -> None:
        over_http = isinstance(answer, dict) and "statusCode" in answer
        brief = f"{answer['statusCode']} {answer['body']}" if over_http else json.dumps(answer)
        self.say(f"{'right' if mistake is None else 'WRONG'}  {what}: {brief}")


def _call(url: str, body: bytes | None = None) -> tuple[int, dict[str, Any]] | None:
    """Return status and body of an answer, or None while nobody listens."""
    headers = {"Authorization": f"Bearer {event_premises.caller_token()}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=_HTTP_SECONDS) as answer:  # noqa: S310 - loopback
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as answer:
        return answer.code, json.loads(answer.read())
    except OSError:
        return None
