"""Actions of type `script`: published, kept as runs, run where a wall exists."""

import json
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.installed.home import Home

SCRIPT = """\
import json, os
data = json.loads(os.environ["T_ANALYSIS_DATA"])
print("value", data[0]["value"])
for pair in json.loads(os.environ["T_ANALYSIS_ENV"]):
    print(pair["key"], pair["value"])
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(path=tmp_path / "home", settings={"KEYRELAY_API": "off"})
    home.run("init", "--no-token")
    return home


def new_analysis(home: Home, name: str, script: Path | None) -> str:
    id_ = home.create("analysis", {"name": name, "runtime": "python-rt2025"})
    if script is not None:
        home.run("analysis", "upload", name, script)
    return id_


def run_of(home: Home, name: str) -> Mapping[str, object]:
    (run,) = runs_of(home, name)
    return run


def runs_of(home: Home, name: str) -> list[Mapping[str, object]]:
    runs = home.read("analysis", "runs", name)
    assert isinstance(runs, list)
    return runs


def publish(home: Home, does: Mapping[str, object]) -> str:
    action = home.create("action", {"name": "run", "action": does})
    point = {"value": 7, "device": "d1"}
    trigger = {"action": action, "data": [point], "id": "t1"}
    home.run("trigger", "publish", "--file", "-", given=json.dumps(trigger))
    return action


def test_a_trigger_has_an_analysis_run_with_its_data(
    home: Home, bwrap: Path, tmp_path: Path
) -> None:
    main = tmp_path / "main.py"
    main.write_text(SCRIPT)
    analysis = new_analysis(home, "boiler", main)
    action = publish(home, {"type": "script", "script": [analysis]})

    with home.running("up") as up:
        up.await_said("The script ended well")
        up.send(signal.SIGTERM)
        up.end()
    run = run_of(home, "boiler")

    assert bwrap.exists()
    assert (run["state"], run["origin"]) == ("done", "action")
    result = run["result"]
    assert isinstance(result, dict)
    lines = result["last_lines"]
    assert isinstance(lines, list)
    assert lines == [
        "value 7",
        f"_action_id {action}",
        "_action_type condition",
        "_action_state unlocked",
        "_device_id d1",
        result["sentence"],
    ]


def test_what_cannot_be_run_is_a_dead_letter_and_runs_once_it_is_redriven(
    home: Home, tmp_path: Path
) -> None:
    main = tmp_path / "main.py"
    main.write_text(SCRIPT)
    ready = new_analysis(home, "boiler", main)
    bare = new_analysis(home, "attic", None)
    publish(home, {"type": "script", "script": [ready, bare]})

    buried = home.run("worker", "--drain")
    letter = home.read("trigger", "show", "t1")
    home.run("analysis", "upload", "attic", main)
    home.run("dead-letter", "redrive", "t1")
    delivered = home.run("worker", "--drain")

    assert buried.startswith("0 delivered, 1 buried")
    assert isinstance(letter, dict)
    assert "analysis 'attic' has no script" in json.dumps(letter)
    assert delivered.startswith("1 delivered, 0 buried")
    assert [run_of(home, name)["state"] for name in ("boiler", "attic")] == [
        "waiting",
        "waiting",
    ]


def test_a_published_trigger_cannot_name_an_analysis(
    home: Home, tmp_path: Path
) -> None:
    main = tmp_path / "main.py"
    main.write_text(SCRIPT)
    analysis = new_analysis(home, "boiler", main)
    trigger = {"action": analysis, "id": "t1"}
    home.attempt("trigger", "publish", "--file", "-", given=json.dumps(trigger))

    home.run("worker", "--drain")

    assert runs_of(home, "boiler") == []


def test_definitions_with_such_an_action_are_applied_in_another_profile(
    home: Home, tmp_path: Path
) -> None:
    main = tmp_path / "main.py"
    main.write_text(SCRIPT)
    analysis = new_analysis(home, "boiler", main)
    home.create(
        "action", {"name": "run", "action": {"type": "script", "script": [analysis]}}
    )
    exported = home.run("export")
    home.run("profile", "create", "north")

    home.run("--profile", "north", "apply", "--file", "-", given=exported)

    there = home.read("--profile", "north", "analysis", "list")
    action = home.read("--profile", "north", "action", "show", "run")
    assert isinstance(there, list)
    assert isinstance(action, dict)
    assert action["action"]["script"] == [there[0]["id"]]
    assert there[0]["id"] != analysis
