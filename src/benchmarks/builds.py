"""What is benched: the function as `sam build` makes it, and as one makes it who thinks of none of this."""

import hashlib
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
from local_aws.environments import LOCAL, PROJECT, exclusive, runtime_interface_client
from local_aws.interpreter import function_interpreter

_FLOORS = Path(__file__).parent / "floors"
_PROBES = Path(__file__).parent / "probes"

_NAIVE = '''\
"""All of the function's modules, objects and clients, at once."""

import importlib
import pkgutil
from functools import cached_property

import finch_sync
from finch_sync import app
from finch_sync.aws import Aws
from finch_sync.services import Services

Aws.client = Aws._make
for module in pkgutil.iter_modules(finch_sync.__path__):
    importlib.import_module(f"finch_sync.{module.name}")
for name, part in vars(Services).items():
    if isinstance(part, cached_property):
        getattr(app.services(), name)
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
    requirements, source = PROJECT / "src" / "requirements.txt", PROJECT / "src" / "finch_sync"
    of = (requirements.read_bytes(), _NAIVE.encode(), *(file.read_bytes() for file in sorted(source.glob("*.py"))))
    folder = LOCAL / "bench" / "naive"
    made_from, digest = folder.with_suffix(".made-from"), hashlib.sha256(b"\0".join(of)).hexdigest()
    with exclusive(folder.with_suffix(".lock")):
        if not made_from.exists() or made_from.read_text() != digest:
            made_from.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            wheels.install(requirements, folder, function_interpreter().version)
            wheels.copy_source(source, folder / "finch_sync")
            (folder / "naive.py").write_text(_NAIVE)
            made_from.write_text(digest)
    return Build(folder, "naive.handler", compiles_again=True)


def watched() -> Build:
    """Return our function with a watch on what it loads and runs."""
    folder = ours().folder
    return Build(folder, "look.handler", environment={"PYTHONPATH": f"{_PROBES}:{_path(folder)}"})


def floor(calls: Sequence[Call], services: Services, events: Sequence[Mapping[str, Any]], *, counted: bool) -> Measured:
    """Run the least that can make the calls that a function was seen to make."""
    command = [str(function_interpreter().path), str(_FLOORS / "cold.py"), str(_told(calls, services))]
    return run(command, _FLOORS, services, events, counted=counted)


def by_hand(calls: Sequence[Call], services: Services) -> Build:
    """Return the function that makes these calls with botocore and urllib3, and does nothing else."""
    return _of_floors("warm.handler", calls, services)


def libraries(calls: Sequence[Call], services: Services) -> Build:
    """Return the function that makes these calls with all libraries that ours is written in, and does nothing else."""
    return _of_floors("libraries.handler", calls, services)


def _of_floors(handler: str, calls: Sequence[Call], services: Services) -> Build:
    folder = ours().folder
    told = {"CALLS": str(_told(calls, services)), "AWS_CA_BUNDLE": str(services.roots)}
    return Build(folder, handler, environment={**told, "PYTHONPATH": f"{_FLOORS}:{_path(folder)}"})


def _told(calls: Sequence[Call], services: Services) -> Path:
    told = services.roots.parent / "calls.json"
    told.write_text(json.dumps([asdict(call) | {"url": services.urls[call.service]} for call in calls]))
    return told


def _path(folder: Path) -> str:
    python = function_interpreter()
    return f"{folder}:{runtime_interface_client(python.path, python.version)}"
