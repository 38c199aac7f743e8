"""Run confirmation: read strictly, of bounded length."""

import pytest

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.run_confirmation import (
    LONGEST_MESSAGE,
    RunConfirmation,
    parse_confirmation,
)
from tests.samples import NOON


@pytest.mark.parametrize("message", [None, "", "42 rooms", "é" * LONGEST_MESSAGE])
@pytest.mark.parametrize("ok", [True, False])
def test_a_script_says_whether_it_ended_well_and_perhaps_more(
    message: str | None, *, ok: bool
) -> None:
    said = parse_confirmation({"ok": ok, "message": message}, NOON)

    assert said == RunConfirmation(at=NOON, ok=ok, message=message)


def test_the_message_may_be_left_out() -> None:
    assert parse_confirmation({"ok": True}, NOON).message is None


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "ok must be"),
        ({"ok": 1}, "ok must be"),
        ({"ok": None}, "ok must be"),
        ({"ok": True, "message": 7}, "message must be a string"),
        ({"ok": True, "message": "x" * 1001}, "message must have 0 to 1000"),
        ({"ok": True, "done": True}, "a confirmation"),
    ],
)
def test_what_is_no_confirmation_is_refused(
    document: dict[str, object], said: str
) -> None:
    with pytest.raises(InvalidDefinition, match=said):
        parse_confirmation(document, NOON)
