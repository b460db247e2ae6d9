"""`python -m dashboard_picture`: run jobs with faults on a local stack, and draw what the dashboard would show."""

import sys
from pathlib import Path

from rich.console import Console

from dashboard_picture.drawing import draw
from dashboard_picture.measured import measured
from dashboard_picture.traffic import SANDBOX, Traffic
from dashboard_picture.widgets import widgets
from local_aws.stack import running_stack

OUT = Path("docs/dashboard.png")


def main() -> None:
    """Draw docs/dashboard.png, or the file that the one argument names."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    console = Console(highlight=False)
    with running_stack(SANDBOX, environments=8, on_step=console.print) as stack:
        traffic = Traffic(stack)
        console.print("running jobs, with faults")
        traffic.run()
        values = measured(stack, traffic.dead_letters)
        shown = widgets(stack)
    draw(shown, values, out)
    console.print(f"wrote {out}")


if __name__ == "__main__":
    main()
