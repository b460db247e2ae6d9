"""The local tools, each in a virtual environment of its own: their dependencies contradict each other and ours.

An environment is made from a hash-locked requirements file on first use, and again when that file has changed.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

PROJECT = Path(__file__).resolve().parents[2]
LOCAL = PROJECT / ".local"

Tool = Literal["checkov", "ministack", "sam", "supply"]

_REQUIREMENTS = Path(__file__).parent / "requirements"


class SetupError(RuntimeError):
    """Something the local AWS needs could not be made."""


def environment(tool: Tool) -> Path:
    """Return the `bin` folder of a tool's environment, which is made if need be."""
    requirements = _REQUIREMENTS / f"{tool}.txt"
    folder = LOCAL / "tools" / tool
    with _made_once(folder, _digest(requirements)) as stale:
        if stale:
            _uv("venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
            _uv("pip", "sync", "--quiet", "--require-hashes", "--python", str(folder), str(requirements))
    return folder / "bin"


def runtime_interface_client(python: Path, version: str) -> Path:
    """Return the folder that holds AWS's runtime interface client for one interpreter.

    Args:
        python: the interpreter that runs the function.
        version: its `major.minor`, since the client has a compiled part.
    """
    requirements = _REQUIREMENTS / "ric.txt"
    folder = LOCAL / "tools" / f"ric-{version}"
    with _made_once(folder, _digest(requirements)) as stale:
        if stale:
            shutil.rmtree(folder, ignore_errors=True)
            _uv("pip", "install", "--quiet", "--require-hashes", "--python", str(python), "--target", str(folder),
                "--requirements", str(requirements))  # fmt: skip
    return folder


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Let one process at a time do what must not be done twice at once."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _made_once(folder: Path, digest: str) -> Iterator[bool]:
    """Tell whether `folder` must be made; leaving without an error says that it was made from `digest`."""
    stamp = folder.with_name(f"{folder.name}.stamp")
    with exclusive(folder.with_name(f"{folder.name}.lock")):
        stale = not stamp.exists() or stamp.read_text() != digest or not folder.is_dir()
        if stale:
            stamp.unlink(missing_ok=True)
        yield stale
        if stale:
            stamp.write_text(digest)


def _digest(requirements: Path) -> str:
    return hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()


def _uv(*arguments: str) -> None:
    run = subprocess.run([uv(), *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    if run.returncode:
        raise SetupError(f"uv {' '.join(arguments)}\n{run.stderr}")


def uv() -> str:
    """Return the uv that runs us, or the one on PATH."""
    found = os.environ.get("UV") or shutil.which("uv")
    if not found:
        raise SetupError("uv is not on PATH; the Makefile brings its own")
    return found
