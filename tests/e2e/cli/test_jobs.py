"""`keyrelay job`: what the API runs is seen at the machine, and cancelled there."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from keyrelay.model.job import JobKind
from tests.installed.home import Home
from tests.installed.job_process import running_jobs, start_job
from tests.services.deadline import met

NO_ACTION = "6745d20000000000000000aa"  # each trigger is buried
WITHIN = timedelta(seconds=30)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with three dead letters."""
    home = Home(path=tmp_path / "home")
    home.run("init")
    lines = [json.dumps({"id": f"t-{n}", "action": NO_ACTION}) for n in range(3)]
    home.run("trigger", "publish", "--file", "-", given="\n".join(lines))
    home.run("worker", "--drain")
    return home


def shown(home: Home, job: str) -> dict[str, object]:
    document = home.read("job", "show", job)
    assert isinstance(document, dict)
    return document


def test_a_job_is_listed_shown_and_cancelled(home: Home) -> None:
    job = start_job(home, JobKind.REDRIVE, 0.01)
    listed = home.run("job", "list")
    with running_jobs(home):
        assert met(lambda: shown(home, job)["done"] == 1, WITHIN)
        cancelled = home.run("job", "cancel", job[:12])
        assert met(lambda: shown(home, job)["state"] == "cancelled", WITHIN)

    assert "redrive" in listed
    assert "waiting" in listed
    assert cancelled.strip() == job
    document = shown(home, job)
    assert (document["total"], document["done"], document["rate"]) == (3, 1, 0.01)
    assert document["actor"] == "test"
    assert document["results"] == []
    assert "cancelled" in home.run("job", "show", job)
    assert home.read("job", "list", "--installation") == []
    assert "there is no job" in home.attempt("job", "show", "f" * 24).err
    home.run("audit", "verify")


def test_an_ended_job_names_the_letters_that_it_refused(home: Home) -> None:
    job = start_job(home, JobKind.DROP, 0.5)
    with running_jobs(home):
        assert met(lambda: shown(home, job)["done"] == 1, WITHIN)
        home.run("dead-letter", "drop", "--all", "--yes")
        assert met(lambda: shown(home, job)["state"] == "done", WITHIN)

    document = shown(home, job)
    results = document["results"]
    assert isinstance(results, list)
    assert document["refused"] == len(results) > 0
    assert {each["state"] for each in results} == {"refused"}
    assert all("there is no dead letter t-" in each["reason"] for each in results)
