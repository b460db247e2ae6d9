"""The Python that runs the function: the template's version if this machine has it, else the one that runs us."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_DEPLOYED = "3.13"


@dataclass(frozen=True)
class Interpreter:
    """A Python that can run the function."""

    path: Path
    version: str  # major.minor

    @property
    def runtime(self) -> str:
        """The Lambda runtime of this version."""
        return f"python{self.version}"


@cache
def function_interpreter() -> Interpreter:
    """Find the interpreter that comes closest to the deployed function's."""
    for path in _candidates(_DEPLOYED):
        if _works(path, _DEPLOYED):
            return Interpreter(path, _DEPLOYED)
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    return Interpreter(
        base if base.exists() else Path(sys.executable), f"{sys.version_info.major}.{sys.version_info.minor}"
    )


def _candidates(version: str) -> Iterator[Path]:
    if found := shutil.which(f"python{version}"):
        yield Path(found)
    # uv's own interpreters and pyenv's are not on PATH; pyenv puts a shim there that fails for an inactive version
    homes = (
        os.environ.get("UV_PYTHON_INSTALL_DIR", "~/.local/share/uv/python"),
        f"{os.environ.get('PYENV_ROOT', '~/.pyenv')}/versions",
    )
    for home in homes:
        yield from sorted(Path(home).expanduser().glob(f"*{version}*/bin/python{version}"), reverse=True)


def _works(python: Path, version: str) -> bool:
    try:
        run = subprocess.run(  # noqa: S603 - an interpreter of this machine
            [python, "-c", "import ssl, ctypes, sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return False
    return run.returncode == 0 and run.stdout.strip() == version
