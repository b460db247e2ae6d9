"""What is deployed: the function, what the lock file says it needs, and nothing else."""

import ast
import filecmp
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bundling import wheels
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


@pytest.fixture(scope="session")
def as_published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    wheels.install(PROJECT / "src" / "requirements.txt", folder, function_interpreter().version)
    return folder


def files(folder: Path) -> set[Path]:
    return {file.relative_to(folder) for file in folder.rglob("*") if file.is_file()}


def test_every_file_is_the_functions_or_as_a_dependency_has_it(artifact: Path, as_published: Path) -> None:
    rewritten = {Path("botocore/data/endpoints.json"), *(
        file for file in files(artifact) if file.match("botocore/data/*/*/service-2.json")
    )}  # fmt: skip
    others = {file for file in files(artifact) - rewritten if file.parts[0] != "finch_sync" and file.suffix != ".pyc"}
    assert others - files(as_published) == set()
    assert [file for file in others if not filecmp.cmp(artifact / file, as_published / file, shallow=False)] == []


def test_the_functions_package_is_the_source_and_nothing_else(artifact: Path) -> None:
    shipped = artifact / "finch_sync"
    source = {file for file in files(SOURCE) if "__pycache__" not in file.parts}
    assert {file for file in files(shipped) if file.suffix != ".pyc"} == source
    assert [name for name in source if not filecmp.cmp(shipped / name, SOURCE / name, shallow=False)] == []


def test_each_module_is_compiled_for_the_deployed_python_and_never_checked_again(artifact: Path) -> None:
    tag = f"cpython-{function_interpreter().version.replace('.', '')}"
    sources = set(artifact.rglob("*.py"))
    assert {*artifact.rglob("*.pyc")} == {file.parent / "__pycache__" / f"{file.stem}.{tag}.pyc" for file in sources}
    look = "import importlib.util, sys; print(importlib.util.MAGIC_NUMBER.hex())"
    magic = subprocess.check_output([function_interpreter().path, "-c", look], text=True).strip()  # noqa: S603
    headers = {file.read_bytes()[:8].hex() for file in artifact.rglob("*.pyc")}
    assert headers == {magic + "01000000"}  # PEP 552: by hash, and not to be compared with the source's


LOADED_BY_A_NAME_THAT_IS_COMPUTED = {
    "aws_lambda_powertools/shared/lazy_import.py": "the X-Ray SDK, by the Tracer, which is not made here",
    "boto3/utils.py": "what boto3 adds to clients of EC2, S3 and DynamoDB's resource, of which none is made here",
    "botocore/plugin.py": "plugins that a user's AWS configuration names",
    "botocore/vendored/six.py": "the standard library's modules",
    "dateutil/__init__.py": "by a __getattr__ that names them",
    "pydantic/__init__.py": "by a __getattr__ that names them",
    "pydantic/_internal/_validators.py": "what a value of a field of type ImportString names; there is none here",
    "pydantic/_migration.py": "what version 1 had elsewhere; a name that is not asked for here",
    "six.py": "the standard library's modules",
}
"""Modules that load others by a name that no rule can read, and why nothing that they can load here was removed."""


def test_whatever_loads_modules_by_a_computed_name_was_looked_into(artifact: Path) -> None:
    loading = {"import_module", "__import__", "import_string", "exec_module", "load_module", "spec_from_file_location"}
    found = {
        file.relative_to(artifact).as_posix()
        for file in artifact.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name | ast.Attribute)
        and (node.func.id if isinstance(node.func, ast.Name) else node.func.attr) in loading
        and not (node.args and isinstance(node.args[0], ast.Constant))
    }
    assert found == set(LOADED_BY_A_NAME_THAT_IS_COMPUTED)


def test_each_module_of_the_functions_own_can_be_imported(artifact: Path) -> None:
    names = [f"finch_sync.{file.stem}" for file in (artifact / "finch_sync").glob("*.py")]
    run = subprocess.run(  # noqa: S603 - our own arguments
        [function_interpreter().path, "-c", "import importlib, sys; [importlib.import_module(n) for n in sys.argv[1:]]",
         *names],
        env={"PYTHONPATH": str(artifact), "PYTHONDONTWRITEBYTECODE": "1", "AWS_DEFAULT_REGION": "us-east-1"},
        cwd=artifact,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr


def test_each_package_keeps_its_licence(artifact: Path) -> None:
    for folder in artifact.glob("*.dist-info"):
        texts = [file for file in folder.rglob("*") if file.is_file() and file.name != "METADATA"]
        assert texts or "License" in (folder / "METADATA").read_text(), folder.name


@pytest.mark.parametrize("package", ["finch_sandbox", "local_aws", "bundling", "benchmarks", "fault_campaign", "tests"])
def test_what_is_for_the_laptop_stays_there(artifact: Path, package: str) -> None:
    assert not (artifact / package).exists()


def test_compiled_dependencies_are_for_lambdas_linux(artifact: Path) -> None:
    version = function_interpreter().version.replace(".", "")
    modules = [file.name for file in artifact.rglob("*.so")]
    assert modules
    assert all(name.endswith(f".cpython-{version}-x86_64-linux-gnu.so") for name in modules)
