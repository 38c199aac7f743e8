"""Confirmed runs: scripts that run elsewhere say how they ended, and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.e2e.api.conftest import Founded
from tests.installed.api import Answer, Api, answering, token_of
from tests.installed.external import (
    ALLOW,
    External,
    listening,
    new_analysis,
    new_secret,
    run,
    shown,
)
from tests.services import deadline

CANARY = "canary-7f3a9c is no password"
PATIENCE = timedelta(seconds=20)
WELL = {"ok": True, "message": "42 rooms"}


@pytest.fixture
def own(founded: Founded, tmp_path: Path) -> Founded:
    return founded.copied(tmp_path / "own")


@pytest.fixture
def api(own: Founded) -> Iterator[Api]:
    with answering(own.home) as running:
        yield running.with_token(own.token)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """A run that was handed over: its analysis, its id and its own token."""

    analysis: External
    id: str
    token: str


def handed(api: Api, name: str) -> Handed:
    analysis = new_analysis(api, name)
    return handed_again(api, analysis)


def handed_again(api: Api, analysis: External) -> Handed:
    with listening(api, analysis) as stream:
        id_ = run(api, analysis)
        token = str(stream.next().payload["token"])

    def is_done() -> bool:
        return shown(api, analysis, id_)["state"] == "done"

    assert deadline.met(is_done, PATIENCE)
    return Handed(analysis=analysis, id=id_, token=token)


def confirm(api: Api, token: str, id_: str, body: object = WELL) -> Answer:
    return api.with_token(token).ask("POST", f"/analysis/runs/{id_}/done", body)


def changes(api: Api) -> int:
    found = api.get("/audit?amount=200").result
    assert isinstance(found, dict)
    return len(found["records"])


@pytest.mark.parametrize("whose", ["the run's own", "the analysis' main"])
def test_a_script_confirms_a_run_and_settles_and_records_nothing(
    api: Api, whose: str
) -> None:
    done = handed(api, "confirming")
    token = done.token if whose == "the run's own" else done.analysis.token
    before, recorded = shown(api, done.analysis, done.id), changes(api)

    answer = confirm(api, token, done.id)

    run = shown(api, done.analysis, done.id)
    assert (answer.status, answer.result) == (200, run["confirmed"])
    assert isinstance(run["confirmed"], dict)
    assert run["confirmed"] | {"at": None} == {"at": None, **WELL}
    assert before["confirmed"] is None
    assert {**run, "confirmed": None} == before
    assert changes(api) == recorded


def test_what_is_said_first_stays(api: Api) -> None:
    done = handed(api, "saying it twice")
    first = confirm(api, done.token, done.id)

    again = confirm(api, done.token, done.id)
    other = confirm(api, done.analysis.token, done.id, {"ok": False})

    assert (again.status, other.status) == (200, 200)
    assert first.result == again.result == other.result
    assert "message" not in first.document
    for each in (again, other):
        assert "was confirmed before" in str(each.document["message"])


def test_a_run_that_is_unknown_foreign_or_anothers_is_alike(
    api: Api, own: Founded
) -> None:
    home = own.home
    home.run("init", "--profile", "north", "--no-token")
    north = home.under({"KEYRELAY_PROFILE": "north"})
    mine = handed(api, "one")
    second = handed_again(api, mine.analysis)
    others = handed(api, "other")
    there = handed(api.with_token(token_of(north, "full")), "theirs")

    answers = [
        confirm(api, token, id_)
        for token, id_ in [
            (mine.token, "0" * 24),
            (mine.analysis.token, "0" * 24),
            (mine.token, second.id),
            (mine.token, others.id),
            (mine.analysis.token, others.id),
            (mine.token, there.id),
            (mine.analysis.token, there.id),
        ]
    ]

    assert {answer.status for answer in answers} == {401}
    said = [str(answer.document).replace("0" * 24, "") for answer in answers]
    for each in (second, others, there):
        said = [text.replace(each.id, "") for text in said]
    assert len({*said}) == 1
    assert shown(api, others.analysis, others.id)["confirmed"] is None


def test_a_run_that_was_not_handed_over_is_not_confirmed(api: Api) -> None:
    analysis = new_analysis(api, "waiting")
    id_ = run(api, analysis)

    answer = confirm(api, analysis.token, id_)

    assert answer.status == 409
    assert "not handed to a script yet" in str(answer.document["message"])


def test_a_message_is_kept_without_values_of_secrets_and_without_controls(
    api: Api,
) -> None:
    new_secret(api, "a_key", CANARY)
    api.ask("POST", "/am", ALLOW)
    done = handed(api, "talkative")
    body = {"ok": False, "message": f"{CANARY}\x1b[31m, {done.token}"}

    answer = confirm(api, done.token, done.id, body)

    assert isinstance(answer.result, dict)
    assert answer.result["message"] == "***\\u{1b}[31m, ***"
    assert CANARY not in str(shown(api, done.analysis, done.id))


@pytest.mark.parametrize("body", [{}, {"ok": "yes"}, {"ok": True, "message": 7}])
def test_what_is_no_confirmation_is_refused(api: Api, body: object) -> None:
    done = handed(api, "mistaken")

    assert confirm(api, done.token, done.id, body).status == 400
    assert shown(api, done.analysis, done.id)["confirmed"] is None


def test_the_list_of_runs_says_what_a_script_confirmed(api: Api, own: Founded) -> None:
    done = handed(api, "listed")
    confirm(api, done.token, done.id, {"ok": False, "message": "too cold"})

    listed = own.home.read("analysis", "runs", "listed")

    assert isinstance(listed, list)
    assert listed[0]["confirmed"]["message"] == "too cold"
    assert listed[0]["said"].endswith("Its script says that it ended badly: too cold")
