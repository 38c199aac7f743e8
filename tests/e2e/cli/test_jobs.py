"""`keyrelay job`: what the API runs is seen at the machine, and cancelled there."""

import sqlite3
from contextlib import closing
from datetime import timedelta

from keyrelay.model.job import JobKind
from tests.e2e.cli.command import Document, Keyrelay
from tests.e2e.cli.definitions import bury, create_action, create_secret
from tests.installed.home import Home
from tests.installed.job_process import running_jobs, start_job
from tests.services.deadline import met

WITHIN = timedelta(seconds=60)
REFUSE = "UPDATE job_results SET state = 'refused', reason = 'look again'"


def shown(keyrelay: Keyrelay, job: str) -> Document:
    return keyrelay("job", "show", job, "--json").document


def test_a_job_is_listed_shown_and_cancelled(keyrelay: Keyrelay) -> None:
    create_action(keyrelay, create_secret(keyrelay))
    for trigger in ("t1", "t2"):
        bury(keyrelay, trigger)
    home = Home(path=keyrelay.home)
    job = start_job(home, JobKind.REDRIVE, 0.01)
    listed = keyrelay("job", "list").out

    with running_jobs(home):
        assert met(lambda: shown(keyrelay, job)["done"] == 1, WITHIN)
        cancelled = keyrelay("job", "cancel", job[:12])
        assert met(lambda: shown(keyrelay, job)["state"] == "cancelled", WITHIN)

    assert "redrive" in listed
    assert "waiting" in listed
    assert cancelled.id == job
    document = shown(keyrelay, job)
    assert (document["total"], document["done"], document["rate"]) == (2, 1, 0.01)
    assert (document["actor"], document["results"]) == ("test", [])


def test_a_job_names_the_rows_that_it_refused(keyrelay: Keyrelay) -> None:
    create_action(keyrelay, create_secret(keyrelay))
    bury(keyrelay, "t1")
    home = Home(path=keyrelay.home)
    job = start_job(home, JobKind.DROP)
    with running_jobs(home):
        assert met(lambda: shown(keyrelay, job)["state"] == "done", WITHIN)
    with closing(sqlite3.connect(keyrelay.home / "keyrelay.db")) as database, database:
        database.execute(REFUSE)

    row = {"number": 1, "subject": "t1", "state": "refused", "reason": "look again"}
    assert shown(keyrelay, job)["results"] == [row]


def test_a_job_of_the_profile_is_none_of_the_installation(keyrelay: Keyrelay) -> None:
    job = start_job(Home(path=keyrelay.home), JobKind.VERIFY)

    assert keyrelay("job", "list", "--installation", "--json").documents == []
    for verb in ("show", "cancel"):
        refused = keyrelay("job", verb, job, "--installation")
        assert refused.is_one_sentence
        assert f"there is no job {job}" in refused.err
    assert shown(keyrelay, job)["state"] == "waiting"
