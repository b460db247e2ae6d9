"""`make live` as it is typed, on a local sandbox in the role of the real Finch."""

import os
import subprocess
import sys
from pathlib import Path

from finch_sandbox.server import Sandbox, running_sandbox
from finch_sandbox.settings import Settings
from tests.live.upstream import Upstream

PROJECT = Path(__file__).parents[2]
QUICK = Settings(pending_seconds=0.5, in_progress_seconds=0.5, allowed_refreshes=3, created_status=201)


def live(sandbox: Sandbox, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {"FINCH_URL": sandbox.url, "FINCH_TOKEN": sandbox.tokens["acme"], "COLUMNS": "200", **environment}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "tests.live"],
        cwd=PROJECT,
        env=inherited | given,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_without_consent_nothing_is_sent() -> None:
    with running_sandbox(QUICK) as sandbox:
        refused = live(sandbox)
        assert refused.returncode == 2
        assert "Nothing was sent" in refused.stdout
        assert sandbox.ledger()["requests"] == []


def test_without_a_token_it_says_what_it_needs() -> None:
    with running_sandbox(QUICK) as sandbox:
        refused = live(sandbox, FINCH_TOKEN="")
        assert refused.returncode == 2
        assert "FINCH_TOKEN" in refused.stdout


def test_with_consent_it_tells_what_it_saw_and_goes_on_over_a_used_up_quota() -> None:
    with running_sandbox(QUICK) as sandbox:
        told = live(sandbox, CONSENT="yes")
        assert told.returncode == 0, told.stdout + told.stderr
        [row] = [line for line in told.stdout.splitlines() if "created_status" in line]
        assert [cell.strip() for cell in row.split("│")[2:4]] == ["201", "200"]
        assert "no refresh left until" in told.stdout, "what the quota did not allow"
        assert sandbox.tokens["acme"] not in told.stdout + told.stderr
        assert len(sandbox.ledger()["jobs"]) == 3
        left = Upstream(sandbox.url, sandbox.tokens["acme"]).call("GET", "/sandbox/jobs/configuration")
        assert left.body == [{"type": "data_sync_all", "completion_status": "complete"}]
