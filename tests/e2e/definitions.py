"""Definitions: what the tests of this folder create, and how triggers are written."""

import json
from collections.abc import Mapping, Sequence

from tests.installed.home import Home

EVERYTHING: Mapping[str, object] = {
    "name": "actions may use secrets",
    "targets": [["action"]],
    "permissions": [
        {"effect": "allow", "action": ["access"], "resource": ["secrets"]},
    ],
}
POINT: Mapping[str, object] = {
    "variable": "temperature",
    "value": 9.5,
    "unit": "°C",
    "device": "door-17",
}


def action(
    name: str,
    does: object,
    *,
    attempts: int = 100,
    tag: tuple[str, str] = ("env", "test"),
) -> Mapping[str, object]:
    """Return an action that tries again after a second at most."""
    return {
        "name": name,
        "tags": [{"key": tag[0], "value": tag[1]}],
        "action": does,
        "retry": {"attempts": attempts, "first_seconds": 1, "longest_seconds": 1},
    }


def trigger(
    id_: str,
    of: str,
    points: Sequence[Mapping[str, object]] = (POINT,),
    key: str | None = None,
) -> str:
    """Return the line that publishes a trigger of an action."""
    document = {"id": id_, "action": of, "data": [*points]}
    return json.dumps(document | ({} if key is None else {"key": key}))


def publish(home: Home, *lines: str) -> None:
    home.run("trigger", "publish", "--file", "-", given="\n".join(lines))


def dead_letters(home: Home) -> Mapping[str, str]:
    """Return why each trigger was buried."""
    listed = home.read("dead-letter", "list")
    assert isinstance(listed, list)
    return {letter["trigger"]: letter["reason"] for letter in listed}


def trigger_of(message_id: str) -> str:
    """Return the id of the trigger that a mail was made of."""
    return message_id.removeprefix("<").partition(".")[0]
