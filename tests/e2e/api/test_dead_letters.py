"""One dead letter over the API: shown, redriven once, dropped though unreadable."""

import sqlite3
from contextlib import ExitStack, closing
from functools import partial

import pytest

from tests.e2e.api.test_jobs import bury, ended
from tests.installed.api import Answer, Api, answering, token_of
from tests.installed.home import Home
from tests.installed.together import together

NOT_FOUND = {"status": False, "message": "Dead Letter Not Found"}


def redriven(api: Api, trigger: str) -> Answer:
    return api.ask("POST", f"/dead-letters/{trigger}/redrive")


def rows(listed: object) -> list[dict[str, str]]:
    assert isinstance(listed, list)
    return listed


def changes(home: Home, change: str) -> list[tuple[str, str]]:
    """Return the records of such changes of triggers: which, and by whom."""
    return [
        (each["subject"], each["actor"])
        for each in rows(home.read("audit", "list", "--kind", "change"))
        if (each["noun"], each["change"]) == ("trigger", change)
    ]


def test_a_letter_is_redriven_or_dropped_and_recorded_with_its_token(
    home: Home,
) -> None:
    bury(home, 3)
    with answering(home) as running:
        api = running.with_token(token_of(home, "write"))
        shown = api.get("/dead-letters/t0")
        answers = [redriven(api, "t0"), api.ask("DELETE", "/dead-letters/t1")]
        again = [redriven(api, "t0"), api.ask("DELETE", "/dead-letters/t1")]
        state = api.get("/triggers/t0").field("state")

    assert shown.field("fault") == "definition"
    assert [answer.document for answer in answers] == [
        {"status": True, "result": "Successfully Redriven"},
        {"status": True, "result": "Successfully Removed"},
    ]
    assert [(each.status, each.document) for each in again] == [(404, NOT_FOUND)] * 2
    assert state == "waiting"
    assert [each["trigger"] for each in rows(home.read("dead-letter", "list"))] == [
        "t2"
    ]
    ((first, by), (second, by_too)) = changes(home, "redriven") + changes(
        home, "dropped"
    )
    assert (first, second) == ("t0", "t1")
    assert by == by_too
    assert by.startswith("token:for write (p-")


def test_a_letter_that_cannot_be_read_is_shown_not_redriven_and_dropped(
    home: Home,
) -> None:
    bury(home, 1)
    database = sqlite3.connect(home.path / "keyrelay.db")
    with closing(database), database:
        database.execute("UPDATE dead_letters SET document = x'7bff'")
    with answering(home) as running:
        api = running.with_token(token_of(home, "write"))
        (listed,) = api.get("/dead-letters").result["dead_letters"]  # type: ignore[index]
        refused = redriven(api, "t0")
        (group,) = api.get("/dead-letter-groups").result["groups"]  # type: ignore[index]
        dropped = api.ask("DELETE", "/dead-letters/t0")

    assert group["count"] == 1
    assert (listed["trigger"], listed["unreadable"]) == ("t0", True)
    assert refused.status == 409
    assert "it cannot be read" in str(refused.message)
    assert dropped.status == 200
    assert home.read("dead-letter", "list") == []


def test_letters_are_counted_narrowed_and_chosen_by_reason_and_by_id(
    home: Home,
) -> None:
    bury(home, 4)
    with answering(home) as running:
        api = running.with_token(token_of(home, "write"))
        counted = api.get("/dead-letter-groups?reason=NO%20ACTION").result
        none = api.get("/dead-letter-groups?fault=system").result
        listed = api.get("/dead-letters?reason=other").result
        chosen = {"triggers": ["t1", "t3", "t9"], "reason": "no action"}
        job = ended(api, api.ask("POST", "/dead-letters/drop", chosen))
        nothing = ended(api, api.ask("POST", "/dead-letters/drop", {"triggers": []}))

    assert isinstance(counted, dict)
    ((group,), *rest) = counted.values()
    assert (group["count"], group["fault"], rest) == (4, "definition", [4, 1, True])
    assert none == {"groups": [], "letters": 0, "actions": 0, "are_all": True}
    assert listed == {"dead_letters": [], "next": None}
    assert (job["total"], job["done"], nothing["total"]) == (2, 2, 0)
    left = {each["trigger"] for each in rows(home.read("dead-letter", "list"))}
    assert left == {"t0", "t2"}


@pytest.mark.parametrize("damage", ["document = x'7bff'", "buried_at = 'then'"])
def test_a_page_of_letters_that_cannot_be_read_does_not_end_the_list(
    home: Home, damage: str
) -> None:
    bury(home, 5)
    everywhere = {f"t{number}" for number in range(5)}
    found, after = list[str](), ""
    database = sqlite3.connect(home.path / "keyrelay.db")
    with closing(database), database:
        database.execute(
            f"UPDATE dead_letters SET {damage} WHERE trigger IN"  # noqa: S608 - ours
            " (SELECT trigger FROM dead_letters ORDER BY buried_at DESC LIMIT 4)"
        )
    with answering(home) as running:
        api = running.with_token(token_of(home, "read"))
        while True:
            page = api.get(f"/dead-letters?amount=2{after}").result
            assert isinstance(page, dict)
            found += [each["trigger"] for each in page["dead_letters"]]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"

    assert set(found) == everywhere


def test_two_processes_that_redrive_a_letter_at_once_redrive_it_once(
    home: Home,
) -> None:
    bury(home, 20)
    token = token_of(home, "write")
    with ExitStack() as stack:
        apis = [
            stack.enter_context(answering(home)).with_token(token) for _ in range(2)
        ]
        answers = {
            trigger: together([partial(redriven, api, trigger) for api in apis])
            for trigger in (f"t{number}" for number in range(20))
        }

    for trigger, both in answers.items():
        statuses = sorted(answer.status for answer in both)
        assert statuses == [200, 404], (trigger, both)
    assert sorted(id_ for id_, _ in changes(home, "redriven")) == sorted(answers)
    home.run("worker", "--drain")
    assert len(rows(home.read("attempt", "list", "--limit", "100"))) == 40
