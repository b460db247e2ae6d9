"""Finding a Python of a given version."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path


def find(version: str) -> Path | None:
    """Find an interpreter of a version (major.minor) on this machine."""
    return next((path for path in _candidates(version) if _works(path, version)), None)


def fetch(version: str) -> Path | None:
    """Have uv find an interpreter or download it, where it may (UV_PYTHON_DOWNLOADS)."""
    try:
        run = subprocess.run(  # noqa: S603 - our own arguments
            ["uv", "run", "--quiet", "--no-project", "--python", version,  # noqa: S607 - the uv that the user has
             "python", "-c", "import sys; print(sys.executable)"],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
    except OSError:
        return None
    path = Path(run.stdout.strip())
    return path if run.returncode == 0 and _works(path, version) else None


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
