"""Schemathesis, as anybody would run it: the published document on the running stack, Finch's on the local Finch."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from api_document.document import FILE
from finch_sandbox.server import running_sandbox
from finch_sandbox.settings import Settings
from tests.clients.finch_document import finch_document
from tests.stack import Place

FAST = {"allowed_refreshes": 1_000_000, "pending_seconds": 0, "in_progress_seconds": 0.05}


def run(document: Path, url: str, token: str, *, examples: int) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", str(document), "--url", url,
        "--header", f"Authorization: Bearer {token}", "--checks", "all", "--mode", "all",
        "--max-examples", str(examples), "--seed", "1", "--generation-database", "none",
        "--continue-on-failure", "--no-color", "--workers", "1",
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=document.parent)  # noqa: S603
    assert ended.returncode == 0, ended.stdout[-8000:] + ended.stderr[-2000:]


def written(folder: Path, document: Mapping[str, object]) -> Path:
    path = folder / "openapi.json"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.xdist_group("stack")
def test_the_stack_is_as_its_document_says(place: Place, tmp_path: Path) -> None:
    place.patch(**FAST)
    run(written(tmp_path, json.loads(FILE.read_text())), place.api_url, place.caller_token, examples=4)


def test_the_local_finch_is_as_finchs_reference_says(tmp_path: Path) -> None:
    with running_sandbox(Settings.model_validate(FAST)) as sandbox:
        run(written(tmp_path, finch_document()), sandbox.url, sandbox.tokens["acme"], examples=8)
