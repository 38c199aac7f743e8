"""Killed bulk commands: run again, they go on where they were, and nothing is lost."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.installed.home import Home

TRIGGERS = frozenset(f"t-{number}" for number in range(4000))
NO_ACTION = "6745d20000000000000000aa"  # each trigger is buried


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home in whose queue the triggers are."""
    home = Home(path=tmp_path / "home")
    home.run("init", "--no-token")
    lines = [json.dumps({"id": id_, "action": NO_ACTION}) for id_ in sorted(TRIGGERS)]
    home.run("trigger", "publish", "--file", "-", given="\n".join(lines))
    return home


def test_a_redrive_that_is_killed_goes_on(home: Home) -> None:
    home.run("worker", "--drain")
    redrive = ["dead-letter", "redrive", "--all"]

    redriven = _killed(home, *redrive)
    letters, waiting = _listed(home, "dead-letter"), _listed(home, "trigger")
    home.run(*redrive)

    assert 0 < len(redriven) < len(TRIGGERS)
    assert redriven.isdisjoint(letters)
    assert redriven <= waiting
    assert letters | waiting == TRIGGERS
    assert _listed(home, "dead-letter") == frozenset()
    assert _listed(home, "trigger") == TRIGGERS
    home.run("audit", "verify")


def test_a_drop_that_is_killed_goes_on(home: Home) -> None:
    home.run("worker", "--drain")
    drop = ["dead-letter", "drop", "--all", "--yes"]

    dropped = _killed(home, *drop)
    letters = _listed(home, "dead-letter")
    home.run(*drop)

    assert 0 < len(dropped) < len(TRIGGERS)
    assert dropped.isdisjoint(letters)
    assert _listed(home, "dead-letter") == frozenset()
    home.run("audit", "verify")


def test_a_hold_that_is_killed_goes_on(home: Home) -> None:
    hold = ["trigger", "hold", "--all", "--yes"]

    held = _killed(home, *hold)
    standing = _listed(home, "trigger", "--state", "held")
    home.run(*hold)

    assert 0 < len(held) < len(TRIGGERS)
    assert held <= standing
    assert _listed(home, "trigger", "--state", "held") == TRIGGERS
    home.run("audit", "verify")


def test_a_copy_that_is_killed_goes_on(home: Home, tmp_path: Path) -> None:
    home.run("worker", "--drain")
    there = f"sqlite:///{tmp_path / 'there.db'}"
    with home.running("copy", "--to", there) as copying:
        copying.await_said("dead_letters")
        copying.kill()

    home.run("copy", "--to", there)

    copied = home.under({"KEYRELAY_DATABASE": there})
    assert _listed(copied, "dead-letter") == TRIGGERS
    copied.run("audit", "verify")


def _killed(home: Home, *command: str) -> frozenset[str]:
    """Kill the command while it works; return the triggers that it named till then."""
    with home.running(*command) as half:
        half.await_said("t-", times=300)
        half.kill()
    return frozenset(line.strip() for line in half.said) & TRIGGERS


def _listed(home: Home, noun: str, *only: str) -> frozenset[str]:
    listed: Sequence[dict[str, str]] = json.loads(
        home.run(noun, "list", *only, "--json")
    )
    return frozenset(
        each["trigger" if noun == "dead-letter" else "id"] for each in listed
    )
