"""The commands of the Makefile that need more than a line: `python -m local_aws --help`."""

import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from local_aws import advisories, advisory_snapshot, bill_of_materials, checks, docker
from local_aws.advisory_snapshot import SnapshotError
from local_aws.demo import JobError, demonstrate
from local_aws.environments import SetupError
from local_aws.finch import Finch, Sandbox
from local_aws.locked_packages import locked_packages
from local_aws.processes import ProcessError
from local_aws.sam import SamError, build_for_aws
from local_aws.sam_local import SamLocalError, run_events
from local_aws.up import DEFAULT_FILE, InUseError, keep_up

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console()


@app.command()
def up(
    out: Annotated[Path, typer.Option(help="Where to write what others need to know about the stack.")] = DEFAULT_FILE,
    finch_url: Annotated[
        str | None, typer.Option(envvar="FINCH_URL", help="Another Finch than a local sandbox.")
    ] = None,
    finch_token: Annotated[
        str | None, typer.Option(envvar="FINCH_TOKEN", help="Its tokens: [NAME=]TOKEN, separated by commas.")
    ] = None,
) -> None:
    """Keep a local stack running until Ctrl-C."""
    finch = _finch(finch_url, finch_token)
    try:
        keep_up(finch, out.absolute(), console)
    except KeyboardInterrupt:
        console.print("\nstopped", highlight=False)


@app.command()
def demo(
    timeout: Annotated[float, typer.Option(min=1, help="Seconds for both jobs, once the stack is ready.")] = 120,
) -> None:
    """Run one job over HTTP and one by the schedule's rule."""
    demonstrate(timeout, console)


@app.command()
def sam_local(
    *,
    allow_missing_docker: Annotated[
        bool, typer.Option("--allow-missing-docker", help="Skip all of it, loudly, where no Docker engine answers.")
    ] = False,
) -> None:
    """With Docker: run every payload in events/, and the API, under SAM's emulator."""
    if docker.available():
        run_events(console)
        return
    _not_run(
        "make sam-local",
        "No Docker engine answers here, and `sam local` runs the function in a container.\n"
        "Skipped: `sam local invoke` for every file in events/, `sam local start-api` with a POST and a GET.",
    )
    if not allow_missing_docker:
        raise typer.Exit(1)


@app.command()
def check() -> None:
    """Check the lock files, the template and what is known of the packages."""
    begun, found = time.monotonic(), list(checks.failures())
    try:
        known = advisories.of_deployed_packages()
    except advisories.UnreachableError as error:
        known, uncovered = _known_offline(error)
        found += uncovered
    found += [str(each) for each in known if not each.accepted]
    for failure in found:
        console.print(failure, style="red", markup=False, highlight=False)
    if found:
        raise typer.Exit(1)
    console.print(f"lock files and template: nothing to report ({time.monotonic() - begun:.0f} s)", highlight=False)


@app.command("advisories")
def keep_advisories(
    database: Annotated[Path, typer.Argument(help="A clone of https://github.com/pypa/advisory-database.")],
) -> None:
    """Keep what is known of all locked packages, for `check` where no database can be reached."""
    packages = {each.package for each in locked_packages()}
    snapshot = advisory_snapshot.make(database, packages)
    advisory_snapshot.write(snapshot, advisory_snapshot.SNAPSHOT)
    told = f"{len(snapshot.advisories)} advisories on {len(packages)} packages, as of {snapshot.date:%Y-%m-%d}"
    console.print(f"{told}: {advisory_snapshot.SNAPSHOT}", highlight=False, soft_wrap=True)


@app.command()
def build() -> None:
    """Build the function as `sam deploy` takes it, with its bill of materials and the licences in it."""
    template = build_for_aws()
    bundle, bill = template.parent / "SyncFunction", template.parent / bill_of_materials.FILE_NAME
    bill_of_materials.write(bundle, bill)
    for package, licence in bill_of_materials.licences(bundle).items():
        console.print(f"  {package:24} {licence}", markup=False, highlight=False)
    console.print(f"built {template}\nbill of materials: {bill}", highlight=False, soft_wrap=True)


def _known_offline(error: advisories.UnreachableError) -> tuple[list[advisories.Advisory], list[str]]:
    unreachable = f"No database of advisories could be reached:\n{error}\n"
    try:
        snapshot = advisory_snapshot.read(advisory_snapshot.SNAPSHOT)
    except advisory_snapshot.MissingError as missing:
        _not_run("pip-audit", f"{unreachable}Nothing is known of any package: {missing}")
        return [], []
    locked, age = locked_packages(), datetime.now(UTC) - snapshot.date
    _not_run(
        "pip-audit",
        f"{unreachable}Used instead: the snapshot of {snapshot.date:%Y-%m-%d}, {age.days} days old, for {len(locked)} "
        f"locked versions.\nWhat was published after that day is not known.",
    )
    refresh = "is not in the snapshot of advisories: refresh it with `make advisories`"
    return snapshot.affecting(locked), [f"{package} {refresh}" for package in snapshot.uncovered(locked)]


def _not_run(what: str, why: str) -> None:
    console.rule(f"NOT RUN: {what}", style="bold red")
    console.print(why, style="bold red", markup=False, highlight=False)
    console.rule(style="bold red")


def _finch(url: str | None, tokens: str | None) -> Finch | Sandbox:
    if not url and not tokens:
        return Sandbox(webhooks=True)
    if not url or not tokens:
        raise typer.BadParameter("FINCH_URL and FINCH_TOKEN belong together")
    named = [each.strip().rpartition("=") for each in tokens.split(",")]
    return Finch(url, {name or f"connection-{number}": token for number, (name, _, token) in enumerate(named, start=1)})


def _interrupt(*_: object) -> NoReturn:
    # Once is enough: what follows is the orderly end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> None:
    """Run a command; an expected failure is told without a traceback."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        app()
    except (InUseError, JobError, ProcessError, SamError, SamLocalError, SetupError, SnapshotError) as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
