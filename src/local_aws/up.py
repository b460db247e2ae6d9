"""`make up`: a stack that keeps running, and the file that tells others where it is."""

import json
import os
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from local_aws.environments import LOCAL
from local_aws.finch import Finch, Sandbox
from local_aws.stack import Stack, running_stack

DEFAULT_FILE = LOCAL / "stack.json"

_TOLD = ("api_url", "connections", "finch_url", "finch_tokens", "aws_endpoint_url", "region", "table_name",
         "state_machine_arn", "function_name", "rule_name")  # fmt: skip


class InUseError(RuntimeError):
    """Another running stack has written the file already."""


def keep_up(finch: Finch | Sandbox, out: Path, console: Console) -> None:
    """Run a stack until interrupted, with its whereabouts in `out`.

    Raises:
        InUseError: `out` belongs to a stack that still runs.
    """
    _refuse_if_in_use(out)
    begun = time.monotonic()

    def say(step: str) -> None:
        console.print(f"{time.monotonic() - begun:6.1f} s  {step}", style="dim", highlight=False)

    with running_stack(finch, on_step=say) as stack, _announced(stack, out):
        say("ready")
        console.print(f"\nWhere everything is: {out}\nEnqueue a job:\n", highlight=False, soft_wrap=True)
        console.print(curl(stack), highlight=False, markup=False, soft_wrap=True)
        console.print("\nCtrl-C stops it all.", highlight=False)
        while True:
            time.sleep(3600)


def curl(stack: Stack) -> str:
    """Return a command that enqueues a job for the first connection."""
    caller_token = next(iter(stack.connections.values()))
    return (
        f"curl -sS -X POST {stack.api_url}/sandbox/jobs -H 'Authorization: Bearer {caller_token}' "
        "-H 'Content-Type: application/json' -d '{\"type\":\"data_sync_all\"}'"
    )


@contextmanager
def _announced(stack: Stack, out: Path) -> Iterator[None]:
    _refuse_if_in_use(out)
    content = json.dumps({key: getattr(stack, key) for key in _TOLD}, indent=2) + "\n"
    out.parent.mkdir(parents=True, exist_ok=True)
    # A temporary file is its owner's alone, as a file with tokens should be, and replacing is seen whole or not at all.
    with tempfile.NamedTemporaryFile("w", dir=out.parent, prefix=out.name, delete=False) as file:
        file.write(content)
    os.replace(file.name, out)  # noqa: PTH105 - a name, not a path
    try:
        yield
    finally:
        if out.exists() and out.read_text() == content:
            out.unlink()


def _refuse_if_in_use(out: Path) -> None:
    try:
        endpoint_url = json.loads(out.read_text())["aws_endpoint_url"]
        with urllib.request.urlopen(f"{endpoint_url}/_ministack/health", timeout=1):  # noqa: S310 - our own file
            pass
    except (OSError, ValueError, KeyError, urllib.error.URLError):
        return
    raise InUseError(f"{out} belongs to a stack that is running; choose another file with OUT=")
