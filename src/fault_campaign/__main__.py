"""The command: `python -m fault_campaign`."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fault_campaign.campaign import conduct, long_campaign, short_campaign
from fault_campaign.report import print_outcome


def main(
    *,
    triggers: Annotated[int, typer.Option(min=1, help="How many triggers.")] = 2000,
    seed: Annotated[int, typer.Option(help="What the plan is drawn from.")] = 1,
    hurried: Annotated[
        bool, typer.Option("--hurried", help="Age open records instead of waiting for their leases to run out.")
    ] = False,
    repeat: Annotated[
        Path | None, typer.Option(help="Outcome of a campaign whose plan is to be repeated; give its seed too.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for the outcome.")] = None,
) -> None:
    """Make the running stack fail at every step, and compare what callers, Finch and the records say then."""
    console, begun = Console(), time.monotonic()

    def say(step: str) -> None:
        console.print(f"{time.monotonic() - begun:6.1f} s  {step}", style="dim", highlight=False, soft_wrap=True)

    known_steps = None if repeat is None else json.loads(repeat.read_text())["steps"]
    scale = short_campaign(triggers) if hurried else long_campaign(triggers)
    outcome = conduct(scale, seed, say, known_steps)
    print_outcome(outcome, console)
    if json_file is not None:
        json_file.write_text(json.dumps(outcome.as_json(), indent=2) + "\n")
    if not outcome.well:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
