"""What a row says of its figure."""

import pytest

from benchmarks.rows import Row


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (Row("r", 1.0), ""),
        (Row("r", 1.0, at_most=1.0), "pass"),
        (Row("r", 1.1, at_most=1.0), "FAIL"),
        (Row("r", 1.1, at_most=1.0, held=1.2), "missed, held"),
        (Row("r", 1.3, at_most=1.0, held=1.2), "FAIL"),
        (Row("r", 0.95, at_most=1.0, held=0.9), "pass"),
        (Row("r", 4.0, at_least=5.0, held=3.9), "missed, held"),
        (Row("r", 3.8, at_least=5.0, held=3.9), "FAIL"),
        (Row("r", 5.0, at_least=5.0), "pass"),
    ],
)
def test_the_verdict(row: Row, verdict: str) -> None:
    assert row.verdict == verdict
    assert row.passed == (None if verdict == "" else verdict != "FAIL")
