"""What is benched: the function as `sam build` makes it, and as one makes it who thinks of none of this."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.endpoints import Call, Services
from benchmarks.processes import Measured, run
from bundling import wheels
from local_aws import sam
from local_aws.environments import LOCAL, PROJECT, runtime_interface_client
from local_aws.interpreter import function_interpreter

_FLOORS = Path(__file__).parent / "floors"

_NAIVE = '''\
"""All of the function's modules, objects and clients, at once."""

import importlib
import pkgutil

import boto3

import finch_sync
from finch_sync import app

for module in pkgutil.iter_modules(finch_sync.__path__):
    importlib.import_module(f"finch_sync.{module.name}")
services = app.services()
for name in vars(type(services)):
    if name in {"store", "executions", "connections", "enqueuer", "tracker", "http_api"}:
        getattr(services, name)
for service in ("dynamodb", "stepfunctions", "secretsmanager"):
    boto3.Session().client(service)
handler = app.handler
'''


@dataclass(frozen=True)
class Build:
    """A function's folder, and what runs of it.

    Attributes:
        folder: What would be zipped.
        handler: As Lambda would be told.
        compiles_again: Whether nothing compiled is there or may be kept, as in Lambda's task folder.
        environment: What it is told beside what all are told.
    """

    folder: Path
    handler: str
    compiles_again: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, services: Services, events: Sequence[Mapping[str, Any]], *, counted: bool) -> Measured:
        """Run it through AWS's runtime interface client."""
        python = function_interpreter()
        return run(
            [str(python.path), "-m", "awslambdaric", self.handler],
            self.folder,
            services,
            events,
            counted=counted,
            environment={
                "PYTHONPATH": _path(self.folder),
                **({"PYTHONDONTWRITEBYTECODE": "1"} if self.compiles_again else {}),
                **self.environment,
            },
        )


@cache
def ours() -> Build:
    """The function as `sam build` makes it."""
    return Build(sam.build(function_interpreter()).parent / "SyncFunction", "finch_sync.app.handler")


@cache
def naive() -> Build:
    """The same code and requirements, as plain `sam build` packs them, with everything imported and made at once."""
    folder = LOCAL / "bench" / "naive"
    shutil.rmtree(folder, ignore_errors=True)
    wheels.install(PROJECT / "src" / "requirements.txt", folder, function_interpreter().version)
    wheels.copy_source(PROJECT / "src" / "finch_sync", folder / "finch_sync")
    (folder / "naive.py").write_text(_NAIVE)
    return Build(folder, "naive.handler", compiles_again=True)


def floor(calls: Sequence[Call], services: Services, events: Sequence[Mapping[str, Any]], *, counted: bool) -> Measured:
    """Run the least that can make the calls that a function was seen to make."""
    command = [str(function_interpreter().path), str(_FLOORS / "cold.py"), str(_told(calls, services))]
    return run(command, _FLOORS, services, events, counted=counted)


def by_hand(calls: Sequence[Call], services: Services) -> Build:
    """Return the function that makes these calls with botocore and urllib3, and does nothing else."""
    folder = ours().folder
    told = {"CALLS": str(_told(calls, services)), "AWS_CA_BUNDLE": str(services.roots)}
    return Build(folder, "warm.handler", environment={**told, "PYTHONPATH": f"{_FLOORS}:{_path(folder)}"})


def _told(calls: Sequence[Call], services: Services) -> Path:
    told = services.roots.parent / "calls.json"
    told.write_text(json.dumps([asdict(call) | {"url": services.urls[call.service]} for call in calls]))
    return told


def _path(folder: Path) -> str:
    python = function_interpreter()
    return f"{folder}:{runtime_interface_client(python.path, python.version)}"
