"""Lowest: what pyproject.toml calls its lowest versions work, shown where CI runs."""

import os

import pytest

from tests.lowest import main, requirements


def test_every_requirement_has_a_lower_bound() -> None:
    assert [each for each in requirements() if ">=" not in each] == []


@pytest.mark.skipif(os.environ.get("CI") != "true", reason="minutes; `make lowest`")
@pytest.mark.timeout(600)
def test_the_demo_runs_with_the_lowest_versions() -> None:
    assert main() == 0
