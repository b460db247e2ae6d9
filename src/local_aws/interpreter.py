"""The Python that runs the function: the template's version if this machine has it, else the one that runs us."""

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bundling import interpreters

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
    if path := interpreters.find(_DEPLOYED):
        return Interpreter(path, _DEPLOYED)
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    return Interpreter(
        base if base.exists() else Path(sys.executable), f"{sys.version_info.major}.{sys.version_info.minor}"
    )
