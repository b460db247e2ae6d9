"""The Finch that a stack talks to: one that is there already, or a local sandbox."""

import base64
import json
import os
import secrets
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finch_sandbox.credentials import MARK
from local_aws import processes

_READY_SECONDS = 30.0


@dataclass(frozen=True)
class Finch:
    """A Finch that listens, and its connections' tokens by name."""

    url: str
    tokens: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Sandbox:
    """A local Finch sandbox that is yet to be started.

    Attributes:
        automated: names of its automated connections.
        assisted: names of its assisted connections.
        settings: what its `--settings` takes.
        webhooks: whether it tells the stack of its jobs' ends.
    """

    automated: Sequence[str] = ("acme", "globex")
    assisted: Sequence[str] = ("initech-assisted",)
    settings: Mapping[str, Any] = field(default_factory=dict)
    webhooks: bool = False


@contextmanager
def running_sandbox(sandbox: Sandbox, folder: Path, host: str = "127.0.0.1") -> Iterator[Finch]:
    """Run a sandbox on a free port of `host`, its log in `folder`.

    Raises:
        ProcessError: it did not get ready.
    """
    log, ready_file = folder / "sandbox.log", folder / "sandbox.json"
    command = [sys.executable, "-m", "finch_sandbox", "--host", host, "--port", "0", "--ready-file", str(ready_file),
               "--settings", json.dumps(dict(sandbox.settings))]  # fmt: skip
    for name in sandbox.automated:
        command += ["--connection", name]
    for name in sandbox.assisted:
        command += ["--assisted", name]

    def said() -> dict[str, Any] | None:
        if not ready_file.exists():
            return None
        content: dict[str, Any] = json.loads(ready_file.read_text())
        return content

    with processes.running(command, log, cwd=folder, env=os.environ) as process:
        ready = processes.ready(process, log, said, _READY_SECONDS)
        yield Finch(ready["url"], {name: each["token"] for name, each in ready["connections"].items()})


def send_webhooks(sandbox: Finch, url: str) -> str:
    """Have a running sandbox send its webhooks to an address, as one registers it in Finch's dashboard.

    Returns:
        The secret that it signs them with.
    """
    secret = MARK + base64.b64encode(secrets.token_bytes(24)).decode()
    registered = {"webhook_urls": [url], "webhook_secrets": [secret]}
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{sandbox.url}/_sandbox/settings", data=json.dumps(registered).encode(), method="PATCH"
    )
    with urllib.request.urlopen(request, timeout=_READY_SECONDS):  # noqa: S310 - loopback
        return secret
