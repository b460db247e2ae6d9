"""What the deployed bundle is made of: its CycloneDX bill of materials, and the licences of its packages."""

import json
import subprocess
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import Any

from local_aws.environments import PROJECT, SetupError, environment

FILE_NAME = "sbom.json"

_SPDX_BY_OLD_WORD = {
    "Apache License 2.0": "Apache-2.0",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
}
"""What packages wrote before metadata had a field for SPDX expressions (PEP 639)."""


def write(bundle: Path, out: Path) -> None:
    """Write the bill of materials of a built function: each package's version, hashes and licence.

    Args:
        bundle: the folder that is zipped and deployed.
        out: the file to write. Building the same bundle again gives the same bytes.

    Raises:
        SetupError: the tool failed.
    """
    command = [
        str(environment("supply") / "cyclonedx-py"), "requirements", "--pyproject", "pyproject.toml",
        "--output-reproducible", "--output-format", "JSON", "--validate", "src/requirements.txt",
    ]  # fmt: skip
    run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if run.returncode:
        raise SetupError(f"cyclonedx-py\n{run.stderr}")
    bill: dict[str, Any] = json.loads(run.stdout)
    known = licences(bundle)
    for component in bill["components"]:
        component["licenses"] = [{"expression": known[component["name"]]}]
    out.write_text(json.dumps(bill, indent=2) + "\n")


def licences(bundle: Path) -> dict[str, str]:
    """Return the licence of each package in a bundle, as an SPDX expression."""
    found = {}
    for folder in sorted(bundle.glob("*.dist-info")):
        metadata = PathDistribution(folder).metadata
        [expression] = metadata.get_all("License-Expression") or [None]
        [words] = metadata.get_all("License") or [None]
        name = metadata["Name"].replace("_", "-").lower()
        found[name] = _licence(expression, words, metadata.get_all("Classifier") or [])
    return found


def _licence(expression: str | None, words: str | None, classifiers: list[str]) -> str:
    if expression:
        return expression
    if words and words != "Dual License":
        return _SPDX_BY_OLD_WORD.get(words, words)
    return " OR ".join(
        sorted(_SPDX_BY_OLD_WORD.get(each, each) for each in classifiers if each.startswith("License ::"))
    )
