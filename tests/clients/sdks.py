"""Finch's official SDKs as they are published, with nothing changed but where they send their calls."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import finch

from local_aws.environments import LOCAL, exclusive

_NODE_SOURCES = Path(__file__).parent / "node"


@dataclass(frozen=True)
class Told:
    """What a call came to, in the words that both SDKs share."""

    value: Any = None
    error: str | None = None
    status: int | None = None
    body: Any = None


@dataclass(frozen=True)
class Call:
    """One call of an SDK; `given` is what its method takes: a body, an id or a query."""

    call: str
    given: Any
    headers: dict[str, str]


def create(body: Any = None, **headers: str) -> Call:
    return Call("create", body or {"type": "data_sync_all"}, {k.replace("_", "-"): v for k, v in headers.items()})


def retrieve(job_id: str) -> Call:
    return Call("retrieve", job_id, {})


def list_jobs(**query: int) -> Call:
    return Call("list", query, {})


class Sdk(Protocol):
    """An SDK of Finch's."""

    def __call__(self, base_url: str, token: str, *calls: Call, retries: int = 2, timeout: float = 60) -> list[Told]:
        """Make calls, one after another, with one client."""
        ...


def python(base_url: str, token: str, *calls: Call, retries: int = 2, timeout: float = 60) -> list[Told]:
    return _python(base_url, token, calls, retries=retries, timeout=timeout, strict=False)


def strict_python(base_url: str, token: str, *calls: Call, retries: int = 2, timeout: float = 60) -> list[Told]:
    """The one that lets no answer pass that is not as Finch's schema has it."""
    return _python(base_url, token, calls, retries=retries, timeout=timeout, strict=True)


def _python(
    base_url: str, token: str, calls: tuple[Call, ...], *, retries: int, timeout: float, strict: bool
) -> list[Told]:
    told = []
    with finch.Finch(
        access_token=token,
        base_url=base_url,
        max_retries=retries,
        timeout=timeout,
        _strict_response_validation=strict,
    ) as client:
        for each in calls:
            try:
                match each.call:
                    case "create":
                        answer: Any = client.sandbox.jobs.create(**each.given, extra_headers=each.headers)
                    case "retrieve":
                        answer = client.jobs.automated.retrieve(each.given, extra_headers=each.headers)
                    case _:
                        answer = client.jobs.automated.list(**each.given, extra_headers=each.headers)
                told.append(Told(answer.to_dict(mode="json")))
            except finch.APIStatusError as error:
                told.append(Told(error=type(error).__name__, status=error.status_code, body=error.body))
            except finch.APIConnectionError as error:
                told.append(Told(error=type(error).__name__))
    return told


def node(base_url: str, token: str, *calls: Call, retries: int = 2, timeout: float = 60) -> list[Told]:
    asked = {
        "client": {
            "baseURL": base_url,
            "accessToken": token,
            "maxRetries": retries,
            "timeout": round(timeout * 1000),
        },
        "calls": [{"call": c.call, "given": c.given, "options": {"headers": c.headers}} for c in calls],
    }
    run = subprocess.run(
        ["node", "calls.mjs"],  # noqa: S607 - the one on PATH
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        cwd=_node_folder(),
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return [Told(**each) for each in json.loads(run.stdout)]


def _node_folder() -> Path:
    """Where the Node SDK is installed, as its lock file has it."""
    folder = LOCAL / "clients" / "node"
    with exclusive(folder.with_suffix(".lock")):
        lock = (_NODE_SOURCES / "package-lock.json").read_text()
        installed = folder / "installed.json"
        if not installed.exists() or installed.read_text() != lock:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(_NODE_SOURCES, folder)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)  # noqa: S603 - constant
            installed.write_text(lock)
        shutil.copy(_NODE_SOURCES / "calls.mjs", folder)
    return folder
