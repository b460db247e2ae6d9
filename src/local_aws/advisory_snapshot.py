"""The advisories on every locked package, kept for where no database of them can be reached.

They come from the PyPA advisory database (https://github.com/pypa/advisory-database, CC-BY-4.0), reduced to facts: ids,
packages, affected versions. The rules of what is affected are OSV's ("OSV schema, affected[] fields, evaluation").
"""

import io
import subprocess
import tarfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from local_aws.advisories import Advisory
from local_aws.environments import LOCAL
from local_aws.locked_packages import Locked

SNAPSHOT = LOCAL / "advisories.json"
ATTRIBUTION = "PyPA advisory database, https://github.com/pypa/advisory-database, CC-BY-4.0, reduced to what it affects"


class SnapshotError(RuntimeError):
    """A snapshot cannot be made or read; the message says why."""


class MissingError(SnapshotError):
    """No snapshot was made yet."""


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Event(_Facts):
    """Where in the order of versions an advisory begins or ceases to hold. One field is set."""

    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None

    @field_validator("introduced", "fixed", "last_affected")
    @classmethod
    def _can_be_ordered(cls, version: str) -> str:
        Version(version)  # InvalidVersion is a ValueError
        return version

    def at(self) -> Version:
        """Return the version that it is about."""
        return Version(self.introduced or self.fixed or self.last_affected or "")


class Record(_Facts):
    """What one advisory says of one package."""

    id: str
    aliases: tuple[str, ...] = ()
    package: str
    ranges: tuple[tuple[Event, ...], ...] = ()
    versions: tuple[str, ...] = Field(default=(), description="Affected ones that no range covers.")

    def affects(self, version: str) -> bool:
        """Tell whether a version is listed or within a range."""
        return any(_same(version, each) for each in self.versions) or self.in_a_range(version)

    def in_a_range(self, version: str) -> bool:
        """Tell whether a range covers a version."""
        return any(_covers(each, version) for each in self.ranges)

    def fixed_in(self, version: str) -> tuple[str, ...]:
        """Return the fixed versions that are newer than an affected one."""
        fixed = {event.fixed for events in self.ranges for event in events if event.fixed}
        return tuple(sorted((each for each in fixed if Version(each) > Version(version)), key=Version))


class Snapshot(_Facts):
    """The advisories on some packages at one commit of the database."""

    attribution: str
    commit: str
    date: AwareDatetime
    packages: tuple[str, ...] = Field(description="All that were looked up, those without an advisory too.")
    advisories: tuple[Record, ...]

    def uncovered(self, locked: set[Locked]) -> list[str]:
        """Return the packages that were not looked up: of them, having no advisory here means nothing."""
        return sorted({each.package for each in locked} - set(self.packages))

    def affecting(self, locked: set[Locked]) -> list[Advisory]:
        """Return each advisory for each locked version that it affects."""
        return [
            Advisory(package, version, record.id, record.fixed_in(version), record.aliases)
            for package, version in sorted(locked)
            for record in self.advisories
            if record.package == package and record.affects(version)
        ]


def read(snapshot: Path) -> Snapshot:
    """Read a snapshot.

    Raises:
        MissingError: there is none.
        SnapshotError: it is not well formed.
    """
    try:
        return Snapshot.model_validate_json(snapshot.read_bytes())
    except FileNotFoundError:
        raise MissingError("no snapshot was made, see `make advisories`") from None
    except ValidationError as error:
        raise SnapshotError(f"{snapshot.name} is not well formed: run `make advisories`\n{error}") from None


def write(snapshot: Snapshot, out: Path) -> None:
    """Write a snapshot. The same one gives the same bytes."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(snapshot.model_dump_json(indent=1, exclude_defaults=True) + "\n")


def make(database: Path, packages: set[str]) -> Snapshot:
    """Take what a clone of the database, bare or not, knows of some packages at its newest commit.

    Raises:
        SnapshotError: it is no such clone, or an advisory in it cannot be read.
    """
    commit, date = _git(database, "log", "-1", "--format=%H %cI").decode().split()
    records: list[Record] = []
    with tarfile.open(fileobj=io.BytesIO(_git(database, "archive", "HEAD", "vulns"))) as files:
        for member in files:
            path = PurePosixPath(member.name)
            if path.suffix == ".yaml" and canonicalize_name(path.parent.name) in packages:
                content = files.extractfile(member)
                records += _records(yaml.safe_load(content.read() if content else b""), packages)
    return Snapshot(
        attribution=ATTRIBUTION,
        commit=commit,
        date=datetime.fromisoformat(date),
        packages=tuple(sorted(packages)),
        advisories=tuple(sorted(records, key=lambda each: (each.package, each.id))),
    )


def _records(advisory: dict[str, Any], packages: set[str]) -> Iterator[Record]:
    if "withdrawn" in advisory:
        return
    for affected in advisory["affected"]:
        package = canonicalize_name(affected["package"]["name"])
        if package not in packages:
            continue
        # A range of type GIT is in commits, which no lock file names.
        ranges = [each["events"] for each in affected.get("ranges", ()) if each["type"] == "ECOSYSTEM"]
        try:
            record = Record.model_validate(
                {
                    "id": advisory["id"],
                    "aliases": advisory.get("aliases", ()),
                    "package": package,
                    "ranges": ranges,
                    "versions": affected.get("versions", ()),
                }
            )
        except ValidationError as error:
            raise SnapshotError(f"{advisory['id']}\n{error}") from None
        beyond = tuple(each for each in record.versions if not record.in_a_range(each))
        yield record.model_copy(update={"versions": beyond})


def _covers(events: tuple[Event, ...], version: str) -> bool:
    try:
        asked = Version(version)
    except InvalidVersion:
        return False
    affected = False
    for event in sorted(events, key=lambda each: each.at()):
        if asked > event.at() or (asked == event.at() and not event.last_affected):
            affected = event.introduced is not None
    return affected


def _same(version: str, other: str) -> bool:
    try:
        return Version(version) == Version(other)
    except InvalidVersion:
        return version == other


def _git(database: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(database), *arguments]
    run = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own arguments
    if run.returncode:
        raise SnapshotError(f"{database} is no clone of the advisory database\n{run.stderr.decode()}")
    return run.stdout
