"""The deployed packages against the published security advisories, and which of those do not matter here."""

import json
import subprocess
from dataclasses import dataclass
from typing import Any, Literal

from local_aws.environments import PROJECT, environment

Source = Literal["pypi", "osv"]
SOURCES: tuple[Source, ...] = ("pypi", "osv")

ACCEPTED = {
    ("click", "8.1.8", "CVE-2026-7246"): "in SAM's own environment, which pins it and has it edit no file",
    ("ecdsa", "0.19.2", "CVE-2024-23342"): "in checkov's own environment, which verifies with it and signs nothing",
}
"""Why an advisory does not matter: by package, the version that this was found out for, and its id or an alias."""

_ANSWER_SECONDS = 10
_ENOUGH_SECONDS = 120


class UnreachableError(RuntimeError):
    """No database of advisories told about every package; the message says what each answered."""


@dataclass(frozen=True)
class Advisory:
    """A known vulnerability of a package that is locked."""

    package: str
    version: str
    id: str
    fixed_in: tuple[str, ...]
    aliases: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether `ACCEPTED` tells why this one does not matter for this version."""
        return any((self.package, self.version, name) in ACCEPTED for name in (self.id, *self.aliases))

    def __str__(self) -> str:
        remedy = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "not fixed yet"
        return f"{self.package} {self.version}: {self.id}, {remedy}"


def of_deployed_packages() -> list[Advisory]:
    """Look every deployed package up, in the first database that knows them all.

    Raises:
        UnreachableError: none does; nothing is known then.
    """
    answers = []
    for source in SOURCES:
        try:
            return read(_report(source))
        except UnreachableError as error:
            answers.append(f"{source}: {error}")
    raise UnreachableError("\n".join(answers))


def read(report: dict[str, Any]) -> list[Advisory]:
    """Read pip-audit's report. A package that it left out is no good news, whatever its exit code says.

    Raises:
        UnreachableError: a package was left out.
    """
    left_out = [each["name"] for each in report["dependencies"] if "skip_reason" in each]
    if left_out:
        raise UnreachableError(f"knew nothing of {', '.join(left_out)}")
    return [
        Advisory(each["name"], each["version"], known["id"], tuple(known["fix_versions"]), tuple(known["aliases"]))
        for each in report["dependencies"]
        for known in each["vulns"]
    ]


def _report(source: Source) -> dict[str, Any]:
    command = [
        str(environment("supply") / "pip-audit"), "--requirement", "src/requirements.txt", "--require-hashes",
        "--disable-pip", "--vulnerability-service", source, "--timeout", str(_ANSWER_SECONDS),
        "--format", "json", "--progress-spinner", "off",
    ]  # fmt: skip
    try:
        run = subprocess.run(  # noqa: S603 - our own arguments
            command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=_ENOUGH_SECONDS
        )
        report: dict[str, Any] = json.loads(run.stdout)
    except subprocess.TimeoutExpired:
        raise UnreachableError(f"no answer within {_ENOUGH_SECONDS} s") from None
    except ValueError:
        raise UnreachableError((run.stderr.strip().splitlines() or ["no report"])[-1]) from None
    return report
