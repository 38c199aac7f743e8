"""Conflicts: where what was typed differs from what was saved meanwhile."""

from keyrelay.console.conflicts import Difference, differences


def test_members_are_told_by_their_paths_and_only_where_they_differ() -> None:
    yours = {"name": "mine", "action": {"to": "a", "cc": "b"}, "tags": []}
    saved = {"name": "mine", "action": {"to": "c", "bcc": "d"}, "id": "1"}

    assert differences(yours, saved) == [
        Difference("action.to", "a", "c"),
        Difference("action.cc", "b", None),
        Difference("action.bcc", None, "d"),
        Difference("tags", "[]", None),
    ]


def test_the_same_differs_nowhere() -> None:
    assert differences({"name": "n"}, {"name": "n", "etag": "2"}) == []
