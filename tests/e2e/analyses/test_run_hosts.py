"""Run hosts: where no process hosts scripts, all faces say so, and no longer then."""

import json
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.installed.api import Api, answering, token_of
from tests.installed.home import Home
from tests.installed.hosting import PYTHON, WITHIN, hosting, new_analysis, result
from tests.services import deadline

NO_HOST = f"no process that is alive hosts scripts for {PYTHON}: start `keyrelay up`"
SAYS = "print('12 °C')"


@pytest.fixture
def home(original: Home, tmp_path: Path) -> Home:
    return original.copied(tmp_path / "home")


@pytest.fixture
def operator(home: Home) -> str:
    return home.run("token", "create", "ops", "--operator").strip()


def hosts(api: Api, operator: str) -> Sequence[Mapping[str, object]]:
    found = result(api.with_token(operator).get("/installation"))["run_hosts"]
    assert isinstance(found, list)
    return found


def test_without_a_host_the_run_and_the_analysis_say_so(
    home: Home, operator: str
) -> None:
    with answering(home) as plain:
        api = plain.with_token(token_of(home, "full"))
        analysis = new_analysis(api, SAYS)

        run = api.ask("POST", f"/analysis/{analysis.id}/run", {})
        info = api.get(f"/analysis/{analysis.id}")
        known = hosts(api, operator)

    assert (run.status, run.document["status"], known) == (200, True, [])
    for answer in (run, info):
        assert str(answer.message).startswith(NO_HOST)


def test_a_host_is_counted_while_it_runs_and_nothing_is_said_then(
    home: Home, operator: str, bwrap: Path
) -> None:
    with hosting(home) as hosted:
        api = hosted.with_token(token_of(home, "full"))
        analysis = new_analysis(api, SAYS)
        assert deadline.met(lambda: len(hosts(api, operator)) == 1, WITHIN)
        (host,) = hosts(api, operator)

        run = api.ask("POST", f"/analysis/{analysis.id}/run", {})
        info = api.get(f"/analysis/{analysis.id}")
        ended = analysis.ended(run.field("run"))
        hosted.command.send(signal.SIGTERM)
        hosted.command.end()
    with answering(home) as plain:
        after = hosts(plain, operator)

    assert host.keys() == {"id", "host", "since", "languages"}
    assert isinstance(host["languages"], list)
    assert PYTHON in host["languages"]
    assert (run.message, info.message, ended.state) == (None, None, "done")
    assert after == []


def test_the_command_line_says_that_no_process_hosts_the_run_and_waits_for_one(
    home: Home, tmp_path: Path, bwrap: Path
) -> None:
    keep_analysis(home, tmp_path)
    with home.running("analysis", "run", "cold rooms", "--follow") as following:
        following.await_said(NO_HOST)
        with hosting(home):
            code = following.end()

    assert code == 0
    assert any(line.endswith("12 °C") for line in following.said)


def test_the_command_line_prints_the_run_beside_the_sentence(
    home: Home, tmp_path: Path
) -> None:
    keep_analysis(home, tmp_path)

    asked = home.attempt("analysis", "run", "cold rooms", "--json")
    shown = home.read("analysis", "show", "cold rooms")

    assert [*json.loads(asked.out)] == ["run"]
    assert asked.err.startswith(NO_HOST)
    assert len(asked.err.splitlines()) == 1
    assert isinstance(shown, dict)
    assert [remark.startswith(NO_HOST) for remark in shown["remarks"]] == [True]


def keep_analysis(home: Home, folder: Path) -> None:
    (folder / "main.py").write_text(SAYS)
    home.create("analysis", {"name": "cold rooms", "runtime": PYTHON})
    home.run("analysis", "upload", "cold rooms", folder / "main.py")
