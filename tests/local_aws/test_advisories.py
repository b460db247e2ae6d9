"""Locked versions against advisories, where no database of them can be reached."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from local_aws import __main__ as commands
from local_aws import advisories, advisory_snapshot, checks
from local_aws.advisory_snapshot import MissingError, Record, Snapshot, SnapshotError, make, read, write
from local_aws.locked_packages import Locked, locked_packages


def advisory(number: int, package: str, **affected: Any) -> dict[str, Any]:
    """An advisory as the database has it, prose included."""
    return {
        "id": f"PYSEC-2026-{number}",
        "aliases": [f"CVE-2026-{number}"],
        "details": "Prose.",
        "affected": [{"package": {"ecosystem": "PyPI", "name": package}, **affected}],
    }


def ecosystem(*events: dict[str, str]) -> dict[str, Any]:
    return {"type": "ECOSYSTEM", "events": list(events)}


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own arguments


def database(folder: Path, *known: dict[str, Any]) -> Path:
    """A clone of a database with these advisories."""
    git(folder, "init", "--quiet")
    for each in known:
        file = folder / "vulns" / each["affected"][0]["package"]["name"].lower() / f"{each['id']}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(each))
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "advisories", "--date", "2026-01-02T03:04:05Z")
    return folder


def record(*ranges: tuple[dict[str, str], ...], versions: tuple[str, ...] = ()) -> Record:
    return Record.model_validate({"id": "PYSEC-2026-1", "package": "six", "ranges": ranges, "versions": versions})


# --- what is affected ----------------------------------------------------------------------------------------------

TWO_BRANCHES = ({"introduced": "2.0.0"}, {"fixed": "2.0.7"}, {"introduced": "0"}, {"fixed": "1.26.18"})


@pytest.mark.parametrize(
    ("events", "affected", "unaffected"),
    [
        (({"introduced": "0"},), ["0.1", "1!2.0"], []),
        (({"introduced": "1.2"}, {"fixed": "1.10"}), ["1.2", "1.2.0", "1.9", "1.10rc1"], ["1.1", "1.10", "1.10.post1"]),
        (({"introduced": "0"}, {"last_affected": "2.0"}), ["2.0", "2.0.0", "1.9"], ["2.0.post1", "2.0.1"]),
        (TWO_BRANCHES, ["1.26.17", "2.0.0", "2.0.6"], ["1.26.18", "1.27", "2.0.0rc1", "2.0.7"]),
    ],
)
def test_a_range_begins_with_a_version_and_ends_before_the_fixed_one_or_after_the_last(
    events: tuple[dict[str, str], ...], affected: list[str], unaffected: list[str]
) -> None:
    known = record(events)
    assert [each for each in affected + unaffected if known.affects(each)] == affected


def test_a_listed_version_is_affected_however_it_is_written() -> None:
    known = record(versions=("1.0", "2004d-x"))
    assert [each for each in ("1.0", "1.0.0", "1.0.1", "2004d-x", "2004e-x") if known.affects(each)] == [
        "1.0",
        "1.0.0",
        "2004d-x",
    ]


def test_the_remedy_is_what_is_newer() -> None:
    assert record(TWO_BRANCHES).fixed_in("2.0.3") == ("2.0.7",)
    assert record(TWO_BRANCHES).fixed_in("1.26") == ("1.26.18", "2.0.7")


# --- the snapshot --------------------------------------------------------------------------------------------------


def test_a_snapshot_holds_facts_about_the_wanted_packages_and_is_read_back(tmp_path: Path) -> None:
    commits = {"type": "GIT", "repo": "https://example.com", "events": [{"introduced": "0"}, {"fixed": "ab12"}]}
    known = ecosystem({"introduced": "1.0"}, {"fixed": "1.2"})
    clone = database(
        tmp_path,
        advisory(1, "Urllib3", ranges=[commits, known], versions=["1.0", "1.1", "0.9"]),
        {**advisory(2, "urllib3", ranges=[known]), "withdrawn": "2026-01-01T00:00:00Z"},
        advisory(3, "flask", ranges=[known]),
    )
    snapshot = make(clone, {"urllib3", "six"})
    write(snapshot, tmp_path / "kept" / "snapshot.json")

    assert read(tmp_path / "kept" / "snapshot.json") == snapshot
    assert (len(snapshot.commit), snapshot.packages) == (40, ("six", "urllib3"))
    [only] = snapshot.advisories
    assert only.model_dump(exclude_defaults=True) == {
        "id": "PYSEC-2026-1",
        "aliases": ("CVE-2026-1",),
        "package": "urllib3",
        "ranges": (({"introduced": "1.0"}, {"fixed": "1.2"}),),
        "versions": ("0.9",),  # the others are in the range
    }
    text = (tmp_path / "kept" / "snapshot.json").read_text()
    assert "CC-BY-4.0" in text
    assert "Prose" not in text


def test_a_version_that_cannot_be_ordered_stops_it(tmp_path: Path) -> None:
    clone = database(tmp_path, advisory(1, "six", ranges=[ecosystem({"introduced": "0"}, {"fixed": "2.0-NA"})]))
    with pytest.raises(SnapshotError, match="PYSEC-2026-1"):
        make(clone, {"six"})


def test_what_is_no_clone_or_no_snapshot_is_told(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="no clone"):
        make(tmp_path, {"six"})
    with pytest.raises(MissingError):
        read(tmp_path / "snapshot.json")
    (tmp_path / "snapshot.json").write_text('{"packages": []}')
    with pytest.raises(SnapshotError, match="not well formed"):
        read(tmp_path / "snapshot.json")


# --- the check -----------------------------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `check`, that reaches no database and has nothing else to check, looks for a snapshot."""
    kept = tmp_path / "advisories.json"

    def unreachable() -> list[advisories.Advisory]:
        raise advisories.UnreachableError("osv: no answer")

    monkeypatch.setattr(commands, "console", Console(width=500))
    monkeypatch.setattr(checks, "failures", lambda: iter(()))
    monkeypatch.setattr(advisories, "of_deployed_packages", unreachable)
    monkeypatch.setattr(commands, "locked_packages", lambda: {Locked("six", "1.0"), Locked("click", "8.1.8")})
    monkeypatch.setattr(advisory_snapshot, "SNAPSHOT", kept)
    return kept


def checked(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["local_aws", "check"])
    with pytest.raises(SystemExit) as exited:
        commands.app()
    return int(exited.value.code or 0)


def snapshot(*known: Record, packages: tuple[str, ...] = ("click", "six")) -> Snapshot:
    return Snapshot.model_validate(
        {
            "attribution": "A",
            "commit": "c0ffee",
            "date": "2026-01-02T03:04:05Z",
            "packages": packages,
            "advisories": known,
        }
    )


def test_nothing_known_passes_and_tells_the_snapshots_day(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(snapshot(record(({"introduced": "0"}, {"fixed": "1.0"}))), kept)
    assert checked(monkeypatch) == 0
    out = capsys.readouterr().out
    assert "NOT RUN: pip-audit" in out
    assert "snapshot of 2026-01-02" in out


def test_an_advisory_on_a_locked_version_fails(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(snapshot(record(({"introduced": "0"}, {"fixed": "1.1"}))), kept)
    assert checked(monkeypatch) == 1
    assert "six 1.0: PYSEC-2026-1, fixed in 1.1" in capsys.readouterr().out


def test_a_package_that_was_not_looked_up_fails(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(snapshot(packages=("six",)), kept)
    assert checked(monkeypatch) == 1
    assert "click is not in the snapshot of advisories: refresh it with `make advisories`" in capsys.readouterr().out


def test_without_a_snapshot_it_is_told_that_nothing_is_known(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not kept.exists()
    assert checked(monkeypatch) == 0
    assert "Nothing is known of any package" in capsys.readouterr().out


def test_an_accepted_advisory_passes_for_the_version_that_it_was_accepted_for(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_click = {"id": "PYSEC-2026-9", "aliases": ["CVE-2026-9"], "package": "click", "ranges": [[{"introduced": "0"}]]}
    write(snapshot(Record.model_validate(on_click)), kept)
    assert checked(monkeypatch) == 1
    monkeypatch.setitem(advisories.ACCEPTED, ("click", "8.1.8", "CVE-2026-9"), "it does not matter")
    assert checked(monkeypatch) == 0
    monkeypatch.setattr(commands, "locked_packages", lambda: {Locked("click", "8.1.7")})
    assert checked(monkeypatch) == 1


# --- what is locked ------------------------------------------------------------------------------------------------


def test_the_deployed_packages_and_the_tools_are_among_the_locked_ones() -> None:
    locked = locked_packages()
    packages = {each.package for each in locked}
    assert {"urllib3", "pydantic-core", "pytest", "checkov", "ministack", "awslambdaric"} <= packages
    assert "finch-sync" not in packages
    assert len({each for each in locked if each.package == "numpy"}) > 1  # by the interpreter's version


def test_each_accepted_advisory_is_on_a_locked_version_and_says_why() -> None:
    assert {(package, version) for package, version, _ in advisories.ACCEPTED} <= locked_packages()
    assert [reason for reason in advisories.ACCEPTED.values() if len(reason.split()) < 8] == []
