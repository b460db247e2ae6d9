"""The search for credentials can fail: it finds each of the leaks of `leaking`, and tells of none what it was."""

import base64
import os
import re
import subprocess
import sys

import pytest

from finch_sandbox.credentials import MARK
from tests import canaries
from tests.leaks import leaking
from tests.leaks.leaking import LEAKS
from tests.world import PROJECT

pytestmark = pytest.mark.xdist_group("leaks")


@pytest.fixture(scope="module")
def told() -> str:
    """What pytest says of the tests that leak."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        str(leaking.__file__),
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-rA",
        "--tb=short",
    ]
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    with subprocess.Popen(command, cwd=PROJECT, env=own, stdout=subprocess.PIPE, text=True) as tests:  # noqa: S603
        return tests.communicate(timeout=300)[0]


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_fails_the_test_and_says_where_it_is(told: str, leak: str) -> None:
    assert re.search(rf"^(FAILED|ERROR) .*::{leak}\b", told, re.MULTILINE), told[-8000:]
    [*reports] = re.findall(
        rf"^_+ (?:ERROR at teardown of )?{leak} _+$(.*?)(?=^_{{3}}|^={{3}})", told, re.DOTALL | re.MULTILINE
    )
    assert any(f"\n{LEAKS[leak]}" in report for report in reports), reports


def test_what_is_kept_where_it_belongs_fails_no_test(told: str) -> None:
    ends = re.findall(r"^([A-Z]+) .*::test_in_no_place_but_the_secret\b", told, re.MULTILINE)
    assert ends == ["PASSED"], told[-8000:]


def test_no_failure_shows_what_it_is_about(told: str) -> None:
    canaries.search("report", told)
    assert canaries.taken() == []


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
@pytest.mark.parametrize("after", ["", "z", "zy", ":zyx"])
def test_base64_hides_none_whatever_stands_beside_it(before: str, after: str) -> None:
    canaries.search("here", base64.b64encode(f"{before}{MARK}{after}".encode()))
    assert canaries.taken() == ["here: ...<credential>..."]
