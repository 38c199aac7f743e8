"""Fixtures: the walls of this machine, each with a Python behind it."""

import ctypes
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.script.hosting import Site, our_site, own_users_site


@pytest.fixture(params=["our user", "a user of its own"])
def site(request: pytest.FixtureRequest, bwrap: Path) -> Iterator[Site]:
    """What holds without a user of its own holds with one, where root runs the test."""
    found = our_site() if request.param == "our user" else own_users_site()
    if found is None:
        pytest.skip("this machine has no Python that every user can read, or no root")
    yield found
    _adopt_no_orphans()


def _adopt_no_orphans() -> None:
    """Undo what a run does to its process: servers of other tests have children, too.

    See prctl(2), PR_SET_CHILD_SUBREAPER.
    """
    values = (ctypes.c_ulong(0) for _ in range(4))
    ctypes.CDLL(None).prctl(36, *values)
