"""Compiled files that Lambda takes as they are.

SAM compiles nothing, and Lambda's task folder is read-only: without these, every cold start compiles everything. Files
that carry a time of change would be passed over, for packing changes it; so they are compiled as never to be checked
(PEP 552, "unchecked"). The sources stay beside them: a traceback shows their lines.
"""

import subprocess
from pathlib import Path

from bundling import interpreters

_TASK_FOLDER = "/var/task"


def compile_all(folder: Path, python: str) -> None:
    """Compile a bundle with the Python of the deployed runtime: another one's files would be of no use there.

    Raises:
        CalledProcessError: a file does not compile; compileall has said which.
    """
    interpreter = interpreters.find(python) or interpreters.fetch(python)
    if interpreter is None:
        # To where `sam build` shows it: it keeps what a makefile says on stderr to itself, unless that fails.
        print(
            f"\n*** NOT COMPILED: there is no Python {python} here, and uv could not bring one.\n"
            "*** The bundle works, but each cold start takes about three times as long.\n"
            f"*** `uv python install {python}`, then build again.\n",
            flush=True,
        )
        return
    subprocess.run(  # noqa: S603 - an interpreter of this machine
        [interpreter, "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash",
         "-s", str(folder), "-p", _TASK_FOLDER, str(folder)],
        check=True,
    )  # fmt: skip
