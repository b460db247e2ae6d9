"""What is deployed: the function, what the lock file says it needs, and nothing else."""

import csv
import filecmp
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from local_aws import sam
from local_aws.interpreter import function_interpreter
from tests.template.shipped import PROJECT

SOURCE = PROJECT / "src" / "finch_sync"

pytestmark = pytest.mark.xdist_group("artifact")


@pytest.fixture(scope="session")
def artifact() -> Path:
    return sam.build(function_interpreter()).parent / "SyncFunction"


def locked() -> dict[str, dict[str, Any]]:
    lock = tomllib.loads((PROJECT / "uv.lock").read_text())
    return {package["name"]: package for package in lock["package"]}


def required() -> dict[str, dict[str, Any]]:
    """Return what the function imports, and what that needs, as the lock file has it."""
    packages, needed, to_visit = locked(), dict[str, dict[str, Any]](), ["finch-sync"]
    while to_visit:
        for dependency in packages[to_visit.pop()].get("dependencies", ()):
            name = dependency["name"]
            if name not in needed:
                needed[name] = packages[name]
                to_visit.append(name)
    return needed


def requirements() -> dict[str, tuple[str, set[str]]]:
    """Return version and hashes of each package in the file that `sam build` installs from."""
    text = (PROJECT / "src" / "requirements.txt").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = [re.match(r"([\w.-]+)==([\w.]+)", line) for line in lines]
    assert all(found), "a requirement that is not pinned"
    return {
        pin[1]: (pin[2], set(re.findall(r"--hash=(\S+)", line)))
        for pin, line in zip(found, lines, strict=True)
        if pin is not None
    }


def test_the_requirements_are_what_the_lock_file_says() -> None:
    assert requirements() == {
        name: (
            package["version"],
            {file["hash"] for file in [*package["wheels"], *([package["sdist"]] if "sdist" in package else [])]},
        )
        for name, package in required().items()
    }


def installed(artifact: Path) -> dict[str, str]:
    return {
        re.sub(r"[-_.]+", "-", name).lower(): version
        for name, version in (
            folder.name.removesuffix(".dist-info").split("-", 1) for folder in artifact.glob("*.dist-info")
        )
    }


def test_the_artifact_holds_the_locked_versions(artifact: Path) -> None:
    assert installed(artifact) == {name: version for name, (version, _) in requirements().items()}


def test_every_file_is_the_functions_or_a_dependencys(artifact: Path) -> None:
    recorded = {
        line[0]
        for record in artifact.glob("*.dist-info/RECORD")
        for line in csv.reader(record.read_text().splitlines())
    }
    present = {str(file.relative_to(artifact)) for file in artifact.rglob("*") if file.is_file()}
    assert {file for file in present - recorded if not file.startswith("finch_sync/")} == set()


def test_the_functions_package_is_the_source_and_nothing_else(artifact: Path) -> None:
    def files(folder: Path) -> set[Path]:
        return {file.relative_to(folder) for file in folder.rglob("*") if file.is_file()}

    shipped = artifact / "finch_sync"
    source = {file for file in files(SOURCE) if "__pycache__" not in file.parts}
    assert files(shipped) == source
    assert [name for name in source if not filecmp.cmp(shipped / name, SOURCE / name, shallow=False)] == []


def test_nothing_compiled_elsewhere_is_deployed(artifact: Path) -> None:
    assert [*artifact.rglob("*.pyc")] == []
    assert [*artifact.rglob("__pycache__")] == []


@pytest.mark.parametrize("package", ["finch_sandbox", "local_aws", "fault_campaign", "tests"])
def test_what_is_for_the_laptop_stays_there(artifact: Path, package: str) -> None:
    assert not (artifact / package).exists()


def test_compiled_dependencies_are_for_lambdas_linux(artifact: Path) -> None:
    version = function_interpreter().version.replace(".", "")
    modules = [file.name for file in artifact.rglob("*.so")]
    assert modules
    assert all(name.endswith(f".cpython-{version}-x86_64-linux-gnu.so") for name in modules)
