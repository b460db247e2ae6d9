"""The checks of `make test` that are neither Python's nor tests: lock files and the template."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local_aws.environments import PROJECT, environment, uv

_TOOL_REQUIREMENTS = Path(__file__).parent / "requirements"


def failures() -> Iterator[str]:
    """Run every check, as many at once as there are cores, and give what each failed one says."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(lambda check: list(check()), _CHECKS):
            yield from found


def _sam() -> Iterator[str]:
    yield from _failed([str(environment("sam") / "sam"), "validate", "--lint"], "sam validate --lint")


def _cfn_lint() -> Iterator[str]:
    serverless = ["--append-rules", "cfn_lint_serverless.rules"]
    lint = [str(environment("sam") / "cfn-lint"), "--template", "template.yaml", *serverless]
    yield from _failed(lint, "cfn-lint")


def _outdated_lock_files() -> Iterator[str]:
    yield from _failed([uv(), "lock", "--check", "--quiet"], "uv.lock is not up to date: run `make lock`")
    yield from _outdated_requirements()


def _outdated_requirements() -> Iterator[str]:
    export = [uv(), "export", "--quiet", "--frozen", "--no-default-groups", "--no-emit-project",
              "--format", "requirements.txt"]  # fmt: skip
    exported = subprocess.run(export, cwd=PROJECT, capture_output=True, text=True, check=True).stdout  # noqa: S603
    kept = PROJECT / "src" / "requirements.txt"
    if _pins(exported) != _pins(kept.read_text()):
        yield f"{kept.relative_to(PROJECT)} is not what uv.lock says: run `make lock`"
    for wanted in sorted(_TOOL_REQUIREMENTS.glob("*.in")):
        kept = wanted.with_suffix(".txt")
        with tempfile.TemporaryDirectory() as folder:
            fresh = Path(folder) / kept.name
            fresh.write_text(kept.read_text())  # uv keeps the versions that it finds there
            compilation = [uv(), "pip", "compile", "--quiet", "--generate-hashes", "--universal",
                           "--python-version", "3.11", str(wanted), "-o", str(fresh)]  # fmt: skip
            yield from _failed(compilation, f"{wanted.name} cannot be resolved")
            if _pins(fresh.read_text()) != _pins(kept.read_text()):
                yield f"{kept.relative_to(PROJECT)} is not what {wanted.name} asks for: run `make lock`"


def _checkov() -> Iterator[str]:
    command = [str(environment("checkov") / "checkov"), "--file", "template.yaml", "--framework", "cloudformation",
               "--skip-download", "--compact", "--output", "json"]  # fmt: skip
    run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    try:
        report = json.loads(run.stdout)
        found, summary = report["results"]["failed_checks"], report["summary"]
    except (ValueError, LookupError, TypeError):
        yield f"checkov gave no report\n{run.stdout}{run.stderr}"
        return
    for check in found:
        yield f"checkov: {check['check_id']} {check['resource']}: {check['check_name']}"
    if summary["parsing_errors"] or not summary["passed"]:
        yield f"checkov could not read the template: {summary}"


_CHECKS: tuple[Callable[[], Iterator[str]], ...] = (_checkov, _sam, _cfn_lint, _outdated_lock_files)
"""The longest first."""


def _pins(requirements: str) -> list[str]:
    return [line for line in requirements.splitlines() if not line.lstrip().startswith("#")]


def _failed(command: Sequence[str], what: str) -> Iterator[str]:
    run = subprocess.run(list(command), cwd=PROJECT, capture_output=True, text=True, check=False)  # noqa: S603
    if run.returncode:
        yield f"{what}\n{run.stdout}{run.stderr}"
