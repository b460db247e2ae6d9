"""Run the emulator: `python -m local_aws.emulation --help`. Its port and address are ministack's own settings."""

import argparse
import os
import sys
from pathlib import Path

from ministack import app

from local_aws.emulation import (
    fidelity,  # noqa: F401 - importing it is what closes the gaps
    lambda_runtime,
)


def main() -> None:
    """Read the arguments, patch, serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="local_aws.emulation", description=__doc__)
    parser.add_argument("--python", required=True, help="interpreter that runs the functions")
    parser.add_argument("--client", required=True, help="folder with awslambdaric for that interpreter")
    parser.add_argument("--environments", required=True, type=int, help="functions that may run at once")
    parser.add_argument("--answers", required=True, type=Path, help="file for what the functions answer")
    arguments = parser.parse_args()
    sys.argv[1:] = []  # ministack reads them too
    lambda_runtime.install(
        arguments.python,
        arguments.client,
        arguments.environments,
        endpoint_url=f"http://{os.environ['BIND_HOST']}:{os.environ['GATEWAY_PORT']}",
        answers=arguments.answers,
    )
    app.main()


if __name__ == "__main__":
    main()
