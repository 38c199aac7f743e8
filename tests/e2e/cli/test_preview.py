"""Previews at the command line: what an action would send, and what prevents it."""

import json

from tests.e2e.cli.command import Keyrelay
from tests.e2e.cli.definitions import (
    CANARY,
    create_action,
    create_policy,
    create_secret,
)


def test_a_preview_shows_the_message_and_whether_it_would_be_sent(
    keyrelay: Keyrelay,
) -> None:
    action = create_action(keyrelay, create_secret(keyrelay))
    denied = keyrelay("action", "preview", "tell", "--json")
    create_policy(keyrelay)
    data = keyrelay.write("trigger.json", {"data": {"value": 8}})

    shown = keyrelay("action", "preview", "tell", "--data", data, "--json").document
    told = keyrelay("action", "preview", action)

    refused = json.loads(denied.out)
    assert denied.code == 1
    assert refused["refusals"] == [refused["released"]["reason"]]
    message = shown["message"]
    assert isinstance(message, dict)
    assert (message["subject"], message["message"]) == ("8", "It is 8.")
    assert shown["refusals"] == []
    assert told.code == 0
    assert "It is 21.5." in told.out
    assert CANARY not in denied.out + told.out + str(shown)


def test_what_cannot_be_previewed_is_refused_in_a_sentence(keyrelay: Keyrelay) -> None:
    create_action(keyrelay, create_secret(keyrelay))
    other = keyrelay.write("other.json", {"action": "0" * 24})

    absent = keyrelay("action", "preview", "none")
    foreign = keyrelay("action", "preview", "tell", "--data", other)

    assert (absent.code, foreign.code) == (1, 1)
    assert "action must be left out" in foreign.err
