"""Every package version that a lock file of this project names: deployed, for the tests, or in a tool's environment."""

import tomllib
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local_aws.environments import PROJECT


class Locked(NamedTuple):
    """One version of a package, by its canonical name. A package may be locked more than once."""

    package: str
    version: str


def locked_packages(project: Path = PROJECT) -> set[Locked]:
    """Read uv.lock and the requirements of the local tools. The project's own package is left out."""
    found = {
        Locked(canonicalize_name(each["name"]), each["version"])
        for each in tomllib.loads((project / "uv.lock").read_text())["package"]
        if "registry" in each["source"]
    }
    for file in (project / "src" / "local_aws" / "requirements").glob("*.txt"):
        found |= {_pin(line) for line in file.read_text().splitlines() if line[:1].isalnum()}
    return found


def _pin(line: str) -> Locked:
    requirement = Requirement(line.removesuffix("\\"))
    [pin] = requirement.specifier
    return Locked(canonicalize_name(requirement.name), pin.version)
