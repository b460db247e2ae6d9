"""`sam build` and `sam deploy`, on the template as it is, against a local endpoint."""

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from local_aws import processes
from local_aws.emulator import CREDENTIALS, REGION, session
from local_aws.environments import LOCAL, PROJECT, environment, exclusive, uv
from local_aws.interpreter import Interpreter

STACK_NAME = "finch-sync"

_BUILDS = LOCAL / "build"
_BUILT_FROM = ("template.yaml", "samconfig.toml", "src/Makefile", "src/requirements.txt", "src/bundling",
               "src/finch_sync", "src/state_machine")  # fmt: skip
_KEPT_SECONDS = 24 * 3600


class SamError(RuntimeError):
    """SAM could not build or deploy the template."""


def build(interpreter: Interpreter) -> Path:
    """Build the function for an interpreter, unless the same sources have been built before.

    Returns:
        The built template. Builds of different sources lie side by side, so that running stacks keep theirs.

    Raises:
        SamError: the build failed.
    """
    key = _fingerprint(interpreter.runtime)
    folder = _BUILDS / key
    with exclusive(_BUILDS / f"{key}.lock"):
        if not folder.exists():
            _forget_old_builds()
            # The built template names the definition by a relative path: the unfinished build lies at the same depth.
            unfinished = _BUILDS / f"{key}.unfinished"
            _sam(
                ["build", "--template-file", str(PROJECT / "template.yaml"), "--build-dir", str(unfinished),
                 "--parameter-overrides", f"Runtime={interpreter.runtime}"],
                _BUILDS / f"{key}.log",
                {"LAMBDA_PYTHON": interpreter.version, "PATH": _path_with_uv()},
            )  # fmt: skip
            unfinished.rename(folder)
    return folder / "template.yaml"


def build_for_aws() -> Path:
    """Build for the template's own runtime, where `sam deploy` looks for it.

    Raises:
        SamError: the build failed.
    """
    _sam(["build"], _BUILDS / "aws.log", {"PATH": _path_with_uv()})
    return PROJECT / ".aws-sam" / "build" / "template.yaml"


def deploy(template: Path, endpoint_url: str, parameters: Mapping[str, str], log: Path) -> dict[str, str]:
    """Deploy a built template to an endpoint.

    Returns:
        The stack's outputs.

    Raises:
        SamError: the deployment failed.
    """
    overrides = [f'{name}="{value}"' for name, value in parameters.items()]  # quoted, for SAM splits at spaces
    _sam(
        ["deploy", "--config-file", str(PROJECT / "samconfig.toml"), "--config-env", "local",
         "--template-file", str(template), "--stack-name", STACK_NAME, "--parameter-overrides", *overrides],
        log,
        {**CREDENTIALS, "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": endpoint_url, "SAM_CLI_POLL_DELAY": "0.2"},
    )  # fmt: skip
    cloudformation = session().client("cloudformation", endpoint_url=endpoint_url)
    [stack] = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def _path_with_uv() -> str:
    """The makefile of the function calls uv by its name."""
    return f"{Path(uv()).parent}{os.pathsep}{os.environ['PATH']}"


def environment_of_its_own() -> dict[str, str]:
    """Return an environment for SAM with nothing of the user's own AWS settings: it cannot reach a real account."""
    host = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_"))}
    return host | {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAM_CLI_TELEMETRY": "0",
        "__SAM_CLI_APP_DIR": str(LOCAL / "sam"),
    }


def _sam(arguments: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        run = subprocess.run(  # noqa: S603 - our own arguments
            [environment("sam") / "sam", *arguments],
            cwd=PROJECT,
            env={**environment_of_its_own(), **env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if run.returncode:
        raise SamError(f"sam {arguments[0]} failed:\n{processes.tail(log)}")


def _fingerprint(runtime: str) -> str:
    digest = hashlib.sha256(runtime.encode())
    for path in _sources():
        digest.update(f"{path.relative_to(PROJECT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _sources() -> Iterator[Path]:
    for name in _BUILT_FROM:
        path = PROJECT / name
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in files if file.is_file() and "__pycache__" not in file.parts)


def _forget_old_builds() -> None:
    for build in _BUILDS.iterdir():
        if build.is_dir() and time.time() - build.stat().st_mtime > _KEPT_SECONDS:
            shutil.rmtree(build, ignore_errors=True)
