"""The function and its dependencies, as they are published."""

import shutil
import subprocess
from pathlib import Path


def install(requirements: Path, folder: Path, python: str) -> None:
    """Put the locked wheels for Lambda's Linux into a folder, whatever Python runs here.

    Raises:
        CalledProcessError: uv could not; it has said why.
    """
    subprocess.run(  # noqa: S603 - our own arguments
        ["uv", "pip", "install", "--quiet",  # noqa: S607 - the uv that the user has
         "--require-hashes", "--only-binary", ":all:", "--no-compile-bytecode",
         # A link would lead into uv's cache, and what is trimmed here would be trimmed there.
         "--link-mode", "copy", "--python-platform", "x86_64-manylinux_2_28", "--python-version", python,
         "--target", str(folder), "--requirements", str(requirements)],
        check=True,
    )  # fmt: skip


def copy_source(package: Path, folder: Path) -> None:
    """Copy a package of ours, without what an interpreter left in it."""
    shutil.copytree(package, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
