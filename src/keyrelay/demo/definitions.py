"""Definitions: the actions, policies and triggers that the demo makes."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

ALARM, PALLET = "cold-room-alarm", "report-pallet"
NEWSLETTER, NIGHT_SHIFT = "newsletter", "call-night-shift"
ARRIVING, DEAD_LETTERS = 46 + 45, (5, 4)  # triggers, as action_of deals them out
IDS = tuple(f"demo-{number:03}" for number in range(1, 101))
MAIL_POLICY = "the cold chain sends mail"
ANALYSIS = """{"name": "watch", "runtime": "python-rt2025",
 "tags": [{"key": "team", "value": "cold-chain"}]}"""
SCRIPT = """import os
print("given:", os.environ["T_ANALYSIS_ENV"])"""
MASKED = '"key": "mail", "value": "***"'  # of what the script prints
_MAIL = """\
{"name": "%s", "tags": [{"key": "team", "value": "%s"}],
 "action": {"type": "email-smtp", "smtp_secret": "%s",
            "from": "Rotterdam <relay@rotterdam.example>", "to": "%s",
            "subject": "$DEVICE.NAME$: $VALUE$ $UNIT$",
            "message": "The $VARIABLE$ was $VALUE$ $UNIT$ at $TIME$."}}"""
_QUEUE = """\
{"name": "%s", "tags": [{"key": "site", "value": "rotterdam"}],
 "action": {"type": "queue-sqs", "batch_enabled": true, "sqs_secret": "%s"}}"""
_POLICY = """\
{"name": "%s",
 "targets": [["action", %s], ["analysis", %s]],
 "permissions": [{"effect": "allow", "action": ["access"], "resource":
   ["secrets", %s]}]}"""


def actions(mail: str, queue: str, departed: str) -> Mapping[str, str]:
    """Return the four of them by name; `mail` and `queue` are secrets' ids."""
    return {
        ALARM: _MAIL % (ALARM, "cold-chain", mail, "ada@rotterdam.example"),
        PALLET: _QUEUE % (PALLET, queue),
        NEWSLETTER: _MAIL % (NEWSLETTER, "marketing", mail, "all@rotterdam.example"),
        NIGHT_SHIFT: _MAIL % (NIGHT_SHIFT, "cold-chain", mail, departed),
    }


def policies() -> Mapping[str, str]:
    """Return the two of them, by the names of their files."""
    team, site = '"tag.key", "team", "tag.value", "cold-chain"', '"tag_match", "site"'
    return {
        "mail-policy.json": _POLICY % (MAIL_POLICY, team, team, team),
        "queue-policy.json": _POLICY % ("a site uses its own queue", *[site] * 3),
    }


def action_of(number: int) -> str:
    """Return what the trigger of that number is for: a mixture, always the same."""
    if number % 20 == 0:
        return NEWSLETTER
    if number % 30 == 7:
        return NIGHT_SHIFT
    return ALARM if number % 2 else PALLET


def trigger(number: int, actions: Mapping[str, str]) -> str:
    """Return one line; `actions` are the ids, by name."""
    point: dict[str, object] = {"variable": "pallet", "value": f"P-{number:03}"}
    if action_of(number) != PALLET:
        point = {"variable": "temperature", "value": 6 + number % 37 / 10, "unit": "°C"}
        point["time"] = datetime.now(UTC).isoformat(timespec="seconds")
        point["device_name"] = f"Cold room {1 + number % 3}"
    document = {"id": IDS[number - 1], "action": actions[action_of(number)]}
    return json.dumps(document | {"data": [point]}, ensure_ascii=False)
