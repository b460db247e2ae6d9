"""`make live`: the contract suite and the open questions, on the Finch that FINCH_URL and FINCH_TOKEN name."""

import os
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from finch_sandbox.settings import Settings
from tests.live.observations import REFRESHES, UNSEEN, observe
from tests.live.upstream import Upstream

SUITE = Path(__file__).parent / "test_contract.py"
REFRESHES_OF_SUITE = 5


def main() -> int:
    """Ask, look, test; the suite's exit code."""
    console = Console()
    if not os.environ.get("FINCH_TOKEN"):
        console.print("FINCH_TOKEN must hold the access token of a Finch sandbox connection.", style="red")
        return 2
    upstream = Upstream.from_environment()
    console.print(
        f"On {upstream.url} it spends up to {REFRESHES + REFRESHES_OF_SUITE} refreshes of the token's connection, its "
        "quota of this hour, whatever it is. It sets how that connection's jobs end, and leaves that at `complete`. "
        "Where the quota is used up it goes on with what needs none, or waits up to PATIENCE seconds.",
        highlight=False,
    )
    if os.environ.get("CONSENT") != "yes" and not _agreed():
        console.print("Nothing was sent.")
        return 2
    _tell(upstream, console)
    os.environ["LIVE"] = "1"
    code = int(pytest.main([str(SUITE), "-rs", "--verbose", "-p", "no:cacheprovider", "-p", "no:xdist"]))
    upstream.configure("complete")
    return code


def _agreed() -> bool:
    try:
        return input("Go on? Type yes (or say CONSENT=yes): ").strip() == "yes"
    except EOFError:
        return False


def _tell(upstream: Upstream, console: Console) -> None:
    ours = Settings().model_dump()
    table = Table("what is not documented", "seen here", "local sandbox", "its setting")
    for each in observe(upstream):
        setting = each.name if each.name in ours else ""
        table.add_row(each.question, str(each.seen), str(ours[setting]) if setting else "", setting)
    console.print(table)
    console.print(f"Not looked at: {'; '.join(f'{name} ({why})' for name, why in UNSEEN.items())}.", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
