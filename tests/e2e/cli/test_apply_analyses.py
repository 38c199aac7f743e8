"""Export and apply of analyses: with the script that runs, and never with a token."""

import base64
import json
import sqlite3
from pathlib import Path

import pytest

from tests.e2e.cli.command import Document, Keyrelay
from tests.e2e.cli.definitions import NORTH, create_policy
from tests.e2e.cli.test_apply import (
    PERMITS,
    READ_ONLY,
    applied,
    counts,
    entry,
    exported,
)

FIRST, SECOND = b"print(1)\n", b"\x1f\x8b\x00second"
BOILER: Document = {
    "name": "boiler",
    "tags": NORTH,
    "description": "watches it",
    "interval": "5 minutes",
    "run_on": "external",
    "runtime": "python-rt2025",
    "variables": [{"key": "LIMIT", "value": 70}],
    "active": False,
}


def script(content: bytes = FIRST, **more: object) -> Document:
    file = base64.b64encode(content).decode()
    return {"file_name": "main.py", "file": file, **more}


def boiler(document: Document) -> Document:
    return entry(document, "analyses", "boiler")


def versions(keyrelay: Keyrelay, *profile: str) -> object:
    shown = keyrelay(*profile, "analysis", "show", "boiler", "--json").document
    listed = shown["versions"]
    assert isinstance(listed, list)
    return [(each["version"], each["file_name"], each["language"]) for each in listed]


@pytest.fixture
def made(keyrelay: Keyrelay, tmp_path: Path) -> Keyrelay:
    file = keyrelay.write("boiler.json", BOILER)
    id_ = keyrelay("analysis", "create", "--file", file).id
    main = tmp_path / "main.py"
    main.write_bytes(FIRST)
    assert keyrelay("analysis", "upload", "boiler", main).code == 0
    targets = [["analysis", "id", id_]]
    create_policy(
        keyrelay, {"name": "by id", "targets": targets, "permissions": PERMITS}
    )
    return keyrelay


def test_an_analysis_is_exported_with_what_it_runs_and_without_its_token(
    made: Keyrelay, tmp_path: Path
) -> None:
    (tmp_path / "main.py").write_bytes(SECOND)
    made("analysis", "upload", "boiler", tmp_path / "main.py")

    document = exported(made)

    shown = made("analysis", "show", "boiler", "--json").document
    wanted = {k: v for k, v in shown.items() if k not in {*READ_ONLY, *NOT_SET}}
    language = "python-rt2025"
    assert boiler(document) == {**wanted, "script": script(SECOND, language=language)}
    assert made("analysis", "token", "boiler").id not in json.dumps(document)


NOT_SET = ("token", "console", "last_run", "last_state", "versions")


def test_an_analysis_without_a_script_is_exported_without_one(
    keyrelay: Keyrelay,
) -> None:
    keyrelay("analysis", "create", "--file", keyrelay.write("boiler.json", BOILER))

    document = exported(keyrelay)

    assert "script" not in boiler(document)
    assert counts(applied(keyrelay, document)) == {"unchanged": 1}


def test_what_was_exported_changes_nothing_and_uploads_nothing(made: Keyrelay) -> None:
    records = len(made("audit", "list", "--json").documents)

    said = applied(made, exported(made))

    assert (said.code, counts(said)) == (0, {"unchanged": 2})
    assert len(made("audit", "list", "--json").documents) == records


@pytest.mark.parametrize(
    "more",
    [
        {"file": script(SECOND)["file"]},
        {"file_name": "index.py"},
        {"language": "python-legacy"},
    ],
    ids=str,
)
def test_another_script_is_uploaded_once_as_the_next_version(
    made: Keyrelay, more: Document
) -> None:
    document = exported(made)
    there = boiler(document)["script"]
    assert isinstance(there, dict)
    there.update(more)
    boiler(document)["variables"] = []

    tried = applied(made, document, "--dry-run")
    assert versions(made) == [(1, "main.py", "python-rt2025")]
    said, again = applied(made, document), applied(made, document)

    changed = json.loads(said.out)["definitions"][0]
    assert changed["detail"] == "script, variables"
    assert counts(tried) == counts(said) == {"changed": 1, "unchanged": 1}
    assert counts(again) == {"unchanged": 2}
    second = (2, there["file_name"], there["language"])
    assert versions(made) == [(1, "main.py", "python-rt2025"), second]
    assert exported(made) == document


def test_a_script_is_in_the_language_of_its_analysis_unless_it_says(
    keyrelay: Keyrelay,
) -> None:
    first = {"analyses": [{**BOILER, "script": script()}]}
    second = {"analyses": [{"name": "boiler", "script": script(SECOND)}]}

    said = [applied(keyrelay, each) for each in (first, first, second, second)]

    assert [counts(each) for each in said] == [
        {"created": 1},
        {"unchanged": 1},
        {"changed": 1},
        {"unchanged": 1},
    ]
    language = "python-rt2025"
    assert versions(keyrelay) == [(1, "main.py", language), (2, "main.py", language)]


def test_in_another_profile_policies_name_the_analysis_that_is_there(
    made: Keyrelay,
) -> None:
    document = exported(made)
    assert made("profile", "create", "south").code == 0
    token = made("analysis", "token", "boiler").id

    first = applied(made, document, "--profile", "south")
    again = applied(made, document, "--profile", "south")

    assert counts(first) == {"created": 2}
    assert counts(again) == {"unchanged": 2}
    there = exported(made, "--profile", "south")
    id_ = boiler(there)["id"]
    assert id_ != boiler(document)["id"]
    assert entry(there, "policies", "by id")["targets"] == [["analysis", "id", id_]]
    assert boiler(there)["script"] == boiler(document)["script"]
    assert made("--profile", "south", "analysis", "token", "boiler").id != token


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"script": 1}, "script must be an object"),
        ({"script": {"file_name": "main.py"}}, "file must be a string"),
        ({"script": script(file="§")}, "base64"),
        ({"script": script(file_name="../main.py")}, "file_name must be"),
        ({"script": script(language="cobol")}, "language must be one of"),
        ({"script": script(sha256="x")}, "has no field"),
        ({"interval": "sometimes"}, "interval must be"),
        ({"variables": 1}, "variables must be a list"),
        ({"secret": 1}, "has no field 'secret'"),
    ],
    ids=str,
)
def test_an_analysis_that_cannot_be_is_refused_with_what_names_it(
    made: Keyrelay, fields: Document, reason: str
) -> None:
    before = exported(made)
    new = {"name": "new", "id": "a" * 24, **fields}
    by_id = [["analysis", "id", "a" * 24]]
    needs = {"name": "of new", "targets": by_id, "permissions": PERMITS}
    document: Document = {
        "analyses": [new, {"name": "boiler", **fields}],
        "policies": [needs],
    }

    for more in ((), ("--dry-run",)):
        said = applied(made, document, *more)

        assert (said.code, counts(said)) == (1, {"refused": 3})
        first, second, third = said.err.splitlines()[:3]
        assert first.startswith("keyrelay: analysis 'new': ")
        assert second.startswith("keyrelay: analysis 'boiler': ")
        assert reason in first
        assert third.endswith("it needs analysis 'new', which is not there")
    assert exported(made) == before


def test_to_prune_deletes_the_analyses_that_are_not_in_the_document(
    made: Keyrelay,
) -> None:
    said = applied(made, {"analyses": []}, "--prune", "--yes")

    assert counts(said) == {"deleted": 2}
    assert [each["noun"] for each in json.loads(said.out)["definitions"]] == [
        "policy",
        "analysis",
    ]
    assert exported(made)["analyses"] == []


def test_an_altered_script_is_named_not_exported_and_uploaded_again(
    made: Keyrelay,
) -> None:
    document = exported(made)
    with sqlite3.connect(made.home / "keyrelay.db") as database:
        database.execute("UPDATE scripts SET content = 'altered'")

    said = made("export")

    assert said.code == 1
    assert "was altered outside Keyrelay: upload the script again" in said.err
    assert json.loads(said.out)["analyses"] == []
    assert counts(applied(made, document)) == {"changed": 1, "unchanged": 1}
    assert exported(made) == document


def test_people_read_which_analysis_differs_and_where(made: Keyrelay) -> None:
    document = exported(made)
    boiler(document)["script"] = script(SECOND)
    file = made.write("definitions.json", document)

    said = made("apply", "--file", file, "--dry-run")

    assert said.out.splitlines() == [
        "changed analysis 'boiler': script",
        "created 0, changed 1, unchanged 1, deleted 0, refused 0; nothing was written",
    ]
