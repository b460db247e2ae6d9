"""What is deployed: how large it is."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import builds
from benchmarks.rows import Row
from local_aws.environments import LOCAL


def rows() -> Iterator[Row]:
    """Give the package's rows."""
    small, plain = _zipped(builds.ours().folder), _zipped(builds.naive().folder)
    yield Row(
        "deployed zip / plain sam build's",
        small / plain,
        at_most=0.45,
        note=f"{small / 1e6:.1f} MB, {plain / 1e6:.1f} MB",
    )


def _zipped(folder: Path) -> int:
    archive = LOCAL / "bench" / "package.zip"
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            packed.write(file, file.relative_to(folder))
    return archive.stat().st_size
