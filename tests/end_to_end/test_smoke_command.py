"""`make smoke`, as an operator gives it: the tests of test_smoke.py, on the stack that is named."""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.stack import Place
from tests.world import PROJECT

pytestmark = pytest.mark.xdist_group("stack")


def smoke(api_url: str, token: str, only: str) -> subprocess.CompletedProcess[str]:
    make = shutil.which("make")
    assert make is not None
    return subprocess.run(  # noqa: S603 - this project's own command
        [make, "smoke", f"API_URL={api_url}", f"TOKEN={token}"],
        cwd=PROJECT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        | {"PYTEST_ADDOPTS": f"-k {only}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_stack_that_works_passes_and_a_token_that_opens_nothing_fails(place: Place) -> None:
    def smoke_of_the_body(token: str) -> subprocess.CompletedProcess[str]:
        return smoke(place.api_url, token, "test_a_wrong_body")

    with ThreadPoolExecutor() as pool:
        passed, failed = pool.map(smoke_of_the_body, [place.caller_token, "wrong"])
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "1 passed" in passed.stdout
    assert failed.returncode != 0
    assert "1 failed" in failed.stdout
