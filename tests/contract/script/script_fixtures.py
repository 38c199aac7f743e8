"""Fixtures: the walls of this machine, each with a Python behind it."""

from pathlib import Path

import pytest

from tests.contract.script.hosting import Site, our_site, own_users_site


@pytest.fixture(params=["our user", "a user of its own"])
def site(request: pytest.FixtureRequest, bwrap: Path) -> Site:
    """What holds without a user of its own holds with one, where root runs the test."""
    if request.param == "our user":
        return our_site()
    found = own_users_site()
    if found is None:
        pytest.skip("this machine has no Python that every user can read, or no root")
    return found
