"""A new way to act is one folder and one line: it brings all that it needs."""

import ast
import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.terminal import sitting_at
from tests.installed.forking import KEYRELAY
from tests.installed.home import Home

SOURCE = Path(__file__).parents[2] / "src" / "keyrelay"
FOLDER = Path(__file__).parent / "channels" / "notebook"
REGISTRY = Path("app", "channels.py")
LINES = {
    "    sqs_channel,\n": "    sqs_channel,\n    note_channel,\n",
    "from keyrelay.dispatchers.smtp.channel import": (
        "from keyrelay.dispatchers.notebook.channel import note_channel\n"
        "from keyrelay.dispatchers.smtp.channel import"
    ),
}
PIN = "canary-4711"
TAGS = [{"key": "team", "value": "north"}]
ALLOW = {
    "name": "notes may use notebooks",
    "targets": [["action", "tag_match", "team"]],
    "permissions": [
        {
            "effect": "allow",
            "action": ["access"],
            "resource": ["secrets", "tag_match", "team"],
        }
    ],
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An installation whose program has one folder and one line more."""
    program = tmp_path / "program" / "keyrelay"
    shutil.copytree(SOURCE, program, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(FOLDER, program / "dispatchers" / "notebook")
    registry = program / REGISTRY
    text = registry.read_text()
    for before, after in LINES.items():
        assert text.count(before) == 1
        text = text.replace(before, after)
    registry.write_text(text)
    settings = {"PYTHONPATH": str(program.parent), "KEYRELAY_PROBES": "off"}
    home = Home(path=tmp_path / "home", settings=settings)
    home.run("init", "--no-token")
    return home


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    return tmp_path / "notebook.txt"


def create_secret(home: Home, notebook: Path) -> str:
    named = ("secret", "create", "--key", "log", "--type", "notebook")
    command: list[str | Path] = [KEYRELAY, *named, "--tag", "team=north"]
    with sitting_at(command, home.environment(), notebook.parent) as terminal:
        terminal.answer("path", str(notebook))
        terminal.answer("pin", PIN)
        assert terminal.end() == 0
    assert PIN not in terminal.shown
    secret = home.read("secret", "show", "log")
    assert isinstance(secret, dict)
    return str(secret["id"])


def test_a_new_channel_works_from_its_secret_to_the_audit_record(
    home: Home, notebook: Path
) -> None:
    secret = create_secret(home, notebook)
    note = {"type": "note", "notebook_secret": secret, "line": "$DEVICE$: $VALUE$"}
    action = home.create("action", {"name": "note it", "tags": TAGS, "action": note})
    home.create("policy", ALLOW)
    home.run("trigger", "publish", "--action", action, "--value", "9", "--id", "t1")

    home.run("worker", "--drain")

    assert notebook.read_text() == ": 9\n"
    records = home.read("attempt", "list", "--trigger", "t1")
    assert isinstance(records, list)
    (record,) = records
    assert (record["outcome"], record["receipt"]) == ("delivered", "line 1")
    assert (record["channel"], record["secret"]) == ("note", secret)
    assert record["missing"] == ["DEVICE"]
    assert home.run("audit", "verify")


def test_a_new_channel_shows_its_schemas_and_refuses_as_they_say(
    home: Home, notebook: Path
) -> None:
    secrets, actions = home.read("secret", "types"), home.read("action", "types")
    assert isinstance(secrets, dict)
    assert isinstance(actions, dict)

    assert secrets["notebook"]["required"] == ["path", "pin"]
    assert actions["note"]["required"] == ["notebook_secret", "line"]
    document = {"key": "k", "type": "notebook", "tags": TAGS}
    value = {"path": str(notebook)}
    given = json.dumps(document | {"value": value})
    refused = home.attempt("secret", "create", "--file", "-", given=given)
    assert refused.code == 1
    assert "a secret of type notebook needs pin" in refused.err


def strings(path: Path) -> set[object]:
    """Return the string constants of a module."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.value for node in nodes if isinstance(node, ast.Constant)}


def test_nothing_else_of_the_program_names_a_channel() -> None:
    """What names mail or queues stands in their folders and in one list.

    The console has words of its own for them, in one place, and does without.
    """
    channels = ("email-smtp", "queue-sqs", "aws-sqs", "smtp_secret", "sqs_secret")
    namers = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if any(name in strings(path) for name in channels)
        and path.relative_to(SOURCE).parts[0] not in ("dispatchers", "demo")
    }

    assert namers == {"console/channel_words.py"}
