"""What is deployed: how large it is, and what of it a look loads without using it."""

import json
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import builds
from benchmarks.rows import Row
from local_aws.environments import LOCAL
from local_aws.interpreter import function_interpreter

_NOT_FOR_A_LOOK = (
    "finch_sync.enqueue", "finch_sync.http_api", "finch_sync.schedule", "finch_sync.sweep",
    "aws_lambda_powertools.event_handler", "aws_lambda_powertools.utilities.parser",
    "aws_lambda_powertools.utilities.validation", "aws_xray_sdk",
)  # fmt: skip
_LOOK = f"""
import json, sys
from finch_sync import app
app.services().tracker
print(json.dumps(sorted(name for name in sys.modules if name.startswith({_NOT_FOR_A_LOOK!r}))))
"""
_SETTINGS = {
    "FINCH_BASE_URL": "https://localhost", "TABLE_NAME": "t", "CONNECTIONS_SECRET_ID": "s", "SCHEDULED_CONNECTIONS": "",
    "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:0:stateMachine:m", "JOB_DEADLINE_SECONDS": "21600",
    "FIRST_JOB_SECONDS": "0", "EVENT_BUS_NAME": "default",
}  # fmt: skip


def rows() -> Iterator[Row]:
    """Give the package's rows."""
    small, plain = _zipped(builds.ours().folder), _zipped(builds.naive().folder)
    yield Row(
        "deployed zip / plain sam build's",
        small / plain,
        at_most=0.45,
        note=f"{small / 1e6:.1f} MB, {plain / 1e6:.1f} MB",
    )
    unused = _unused()
    yield Row("modules that a look loads and does not use", float(len(unused)), at_most=0, note=", ".join(unused))


def _zipped(folder: Path) -> int:
    archive = LOCAL / "bench" / "package.zip"
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            packed.write(file, file.relative_to(folder))
    return archive.stat().st_size


def _unused() -> list[str]:
    told = subprocess.run(  # noqa: S603 - our own arguments
        [function_interpreter().path, "-c", _LOOK],
        cwd=builds.ours().folder,
        env={**_SETTINGS, "PYTHONPATH": str(builds.ours().folder), "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names: list[str] = json.loads(told)
    return names
