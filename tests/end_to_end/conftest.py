"""The stack that the smoke tests are for: the one that the environment names, else the local one."""

from typing import TYPE_CHECKING

import pytest

from tests import canaries
from tests.end_to_end.deployed import Deployed, named_by_environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.stack import Place


@pytest.fixture(scope="session")
def deployed(request: pytest.FixtureRequest) -> Deployed:
    named = named_by_environment()
    if named is not None:
        canaries.plant(named.token)
        return named
    new_place: Callable[[], Place] = request.getfixturevalue("new_place")
    place = new_place()
    return Deployed(place.api_url, place.caller_token)
