"""Killed and paused jobs: another process goes on, each letter is worked on once."""

import json
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from keyrelay.model.job import JobKind
from tests.installed.home import Home
from tests.installed.job_process import running_jobs, start_job
from tests.services.deadline import met

COUNT = 1500
TRIGGERS = frozenset(f"t-{number:04}" for number in range(COUNT))
NO_ACTION = "6745d20000000000000000aa"  # each trigger is buried
LEASE = timedelta(seconds=1)
WITHIN = timedelta(seconds=60)
KILLS = 6

CHANGES = {JobKind.REDRIVE: "redriven", JobKind.DROP: "dropped"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with a dead letter of each trigger."""
    home = Home(path=tmp_path / "home")
    home.run("init")
    lines = [json.dumps({"id": id_, "action": NO_ACTION}) for id_ in sorted(TRIGGERS)]
    home.run("trigger", "publish", "--file", "-", given="\n".join(lines))
    home.run("worker", "--drain")
    return home


def look(home: Home, question: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(home.path / "keyrelay.db", timeout=10)) as database:
        return database.execute(question).fetchall()


def worked_on(home: Home) -> int:
    ((count,),) = look(
        home, "SELECT count(*) FROM job_results WHERE state IN ('done', 'refused')"
    )
    assert isinstance(count, int)
    return count


def state_of(home: Home) -> object:
    ((state,),) = look(home, "SELECT state FROM jobs")
    return state


def changes_of(home: Home, change: str) -> Counter[str]:
    """Count the records of that change, by trigger."""
    records = home.read("audit", "list", "--kind", "change")
    assert isinstance(records, list)
    return Counter(each["subject"] for each in records if each["change"] == change)


def listed(home: Home, noun: str, field: str) -> frozenset[str]:
    documents: Sequence[dict[str, str]] = json.loads(home.run(noun, "list", "--json"))
    return frozenset(each[field] for each in documents)


def require_all_done(home: Home, kind: JobKind) -> None:
    """Check that each letter was worked on once, and that nothing is lost."""
    assert look(home, "SELECT state, total, done, refused FROM jobs") == [
        ("done", COUNT, COUNT, 0)
    ]
    results = look(home, "SELECT subject, state FROM job_results")
    assert sorted(results) == [(id_, "done") for id_ in sorted(TRIGGERS)]
    assert changes_of(home, CHANGES[kind]) == Counter(TRIGGERS)
    assert listed(home, "dead-letter", "trigger") == frozenset()
    redriven = TRIGGERS if kind is JobKind.REDRIVE else frozenset()
    assert listed(home, "trigger", "id") == redriven
    home.run("audit", "verify")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", [JobKind.REDRIVE, JobKind.DROP])
def test_a_job_that_is_killed_again_and_again_goes_on_to_its_end(
    home: Home, kind: JobKind
) -> None:
    start_job(home, kind)
    moments = sorted(random.sample(range(COUNT), KILLS))

    for moment in moments:
        with running_jobs(home, LEASE) as process:
            assert met(lambda least=moment: worked_on(home) >= least, WITHIN)  # type: ignore[misc]
            process.kill()
    killed_at = worked_on(home)
    with running_jobs(home, LEASE):
        assert met(lambda: state_of(home) == "done", WITHIN)

    assert killed_at >= moments[-1]
    require_all_done(home, kind)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", [JobKind.REDRIVE, JobKind.DROP])
def test_a_process_that_was_paused_does_nothing_to_a_job_that_another_took(
    home: Home, kind: JobKind
) -> None:
    start_job(home, kind, 400)
    with running_jobs(home, LEASE) as paused:
        assert met(lambda: worked_on(home) > 0, WITHIN)
        paused.send(signal.SIGSTOP)
        before = worked_on(home)
        with running_jobs(home, LEASE):
            assert met(lambda: worked_on(home) > before, WITHIN)
            paused.send(signal.SIGCONT)
            assert met(lambda: state_of(home) == "done", WITHIN)

    require_all_done(home, kind)


@pytest.mark.timeout(300)
def test_two_processes_never_run_one_job_together(home: Home) -> None:
    start_job(home, JobKind.REDRIVE)
    with running_jobs(home), running_jobs(home):
        assert met(lambda: state_of(home) == "done", WITHIN)

    require_all_done(home, JobKind.REDRIVE)
