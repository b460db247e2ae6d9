"""`python3 -m bundling FOLDER --python 3.13`: what src/Makefile runs."""

import argparse
from pathlib import Path

from bundling import aws_data, bytecode, modules, wheels

_HERE = Path(__file__).resolve().parent.parent
_FUNCTION = "finch_sync"


def main() -> None:
    """Build the bundle."""
    arguments = argparse.ArgumentParser(prog="bundling", description=__doc__)
    arguments.add_argument("folder", type=Path, help="where the bundle goes")
    arguments.add_argument("--python", required=True, metavar="X.Y", help="the version of the deployed runtime")
    wanted = arguments.parse_args()
    wheels.install(_HERE / "requirements.txt", wanted.folder, wanted.python)
    wheels.copy_source(_HERE / _FUNCTION, wanted.folder / _FUNCTION)
    modules.trim(wanted.folder, _FUNCTION)
    aws_data.trim(wanted.folder / "botocore" / "data", wanted.folder / _FUNCTION)
    bytecode.compile_all(wanted.folder, wanted.python)


if __name__ == "__main__":
    main()
