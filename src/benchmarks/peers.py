"""The default polling of those who solve a like task, as their sources or documentation state it."""

from math import sqrt

from benchmarks.spending import Policy


def fixed(seconds: float) -> Policy:
    """The same wait always."""
    return lambda _: seconds


def growing(first: float, factor: float, cap: float) -> Policy:
    """Waits that grow by a factor up to a cap; which of them is next is told by what has elapsed."""

    def wait(elapsed: float) -> float:
        total, following = 0.0, first
        while total < elapsed - 1e-6 and following < cap:
            total, following = total + following, following * factor
        return min(following, cap)

    return wait


PEERS: dict[str, Policy] = {
    "60 s: AWS sample, Airflow sensor, Temporal": fixed(60),
    "30 s: CDK, botocore's slowest": fixed(30),
    "15 s: Transcribe, Fivetran": fixed(15),
    "10 s: Dagster, Prefect": fixed(10),
    "5 s: SAM ETL, Redshift, CDK waiter": fixed(5),
    "3 s: Airflow Airbyte": fixed(3),
    "2 s: Athena": fixed(2),
    "300 s, then 60 s: toolkit": lambda elapsed: 300 if elapsed == 0 else 60,
    "5 s x1.5, cap 300 s: durable functions (no jitter)": growing(5, 1.5, 300),
    "x2 without a cap, from 5 s": growing(5, 2, float("inf")),
    "4 sqrt(elapsed), first 60 s": lambda elapsed: 60 if elapsed == 0 else 4 * sqrt(elapsed),
}
