"""The checks of `make test` that are neither Python's nor tests: lock files and the template."""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from local_aws.environments import PROJECT, environment, uv

_TOOL_REQUIREMENTS = Path(__file__).parent / "requirements"


def failures() -> Iterator[str]:
    """Run every check and give what each failed one says."""
    yield from _failed([uv(), "lock", "--check", "--quiet"], "uv.lock is not up to date: run `make lock`")
    yield from _outdated_requirements()
    tools = environment("sam")
    yield from _failed([str(tools / "sam"), "validate", "--lint"], "sam validate --lint")
    yield from _failed([str(tools / "cfn-lint"), "template.yaml"], "cfn-lint")


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


def _pins(requirements: str) -> list[str]:
    return [line for line in requirements.splitlines() if not line.lstrip().startswith("#")]


def _failed(command: Sequence[str], what: str) -> Iterator[str]:
    run = subprocess.run(list(command), cwd=PROJECT, capture_output=True, text=True, check=False)  # noqa: S603
    if run.returncode:
        yield f"{what}\n{run.stdout}{run.stderr}"
