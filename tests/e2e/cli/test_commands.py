"""Commands: what each prints, for people and as JSON."""

import json
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing

import pytest

from tests.e2e.cli.command import Document, Keyrelay
from tests.e2e.cli.definitions import (
    ALLOW,
    NORTH,
    SMTP,
    bury,
    create_action,
    create_policy,
    create_secret,
    mail_action,
)

ID = re.compile(r"[0-9a-f]{24}")
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def without_dates(document: Document) -> Document:
    return {name: value for name, value in document.items() if "_at" not in name}


def test_init_says_where_the_key_is_and_to_back_it_up(
    keyrelay: Keyrelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = keyrelay.home.parent / "new"
    monkeypatch.setenv("KEYRELAY_HOME", str(new))

    said = keyrelay("init")

    assert said.code == 0
    assert str(new / "key") in said.err
    assert "Back it up" in said.err
    assert (new / "key").stat().st_mode & 0o777 == 0o600


def test_init_leaves_alone_what_is_there(keyrelay: Keyrelay) -> None:
    key = (keyrelay.home / "key").read_bytes()

    said = keyrelay("init", "--json")

    assert not said.document["founded"]
    assert said.document["key_file"] is None
    assert (keyrelay.home / "key").read_bytes() == key


def test_a_secret_is_shown_without_its_value(keyrelay: Keyrelay) -> None:
    id_ = create_secret(keyrelay)

    shown = keyrelay("secret", "show", "mail", "--json").document

    assert without_dates(shown) == {
        "id": id_,
        "key": "mail",
        "type": "smtp",
        "version": 1,
        "tags": NORTH,
        "value_length": len(json.dumps(SMTP)),
        "paused": None,
        "pauses": [],
    }
    assert DATE.fullmatch(str(shown["created_at"]))
    assert shown["created_at"] == shown["updated_at"]


@pytest.mark.parametrize(
    ("end", "kept"),
    [("", ""), ("\n", ""), ("\r\n", ""), ("\r", "\r"), ("\n\n", "\n"), (" \n", " ")],
)
def test_one_line_end_is_left_out_of_a_value_and_that_is_said(
    keyrelay: Keyrelay, end: str, kept: str
) -> None:
    named = ("--key", "token", "--tag", "team=north", "--value-file", "-")

    said = keyrelay("secret", "create", *named, stdin=f"hunter2{end}")

    shown = keyrelay("secret", "show", "token", "--json").document
    assert shown["value_length"] == len(f"hunter2{kept}")
    assert ("--exact keeps it" in said.err) == (kept != end)


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\r", "\n\n"])
@pytest.mark.parametrize("verb", ["create", "edit"])
def test_an_exact_value_keeps_its_line_ends(
    keyrelay: Keyrelay, verb: str, end: str
) -> None:
    value = ("--value-file", "-", "--exact")
    named: tuple[str, ...] = ("--key", "token", "--tag", "team=north")
    if verb == "edit":
        keyrelay("secret", "create", *named, "--value-file", "-", stdin="old")
        named = ("token",)

    said = keyrelay("secret", verb, *named, *value, stdin=f"hunter2{end}")

    shown = keyrelay("secret", "show", "token", "--json").document
    assert shown["value_length"] == len(f"hunter2{end}")
    assert "line end" not in said.err


def test_exact_is_about_a_value_from_a_file(keyrelay: Keyrelay) -> None:
    create_secret(keyrelay)

    said = keyrelay("secret", "edit", "mail", "--tag", "team=south", "--exact")

    assert said.code == 2
    assert "--value-file" in said.err


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("\ufeffhunter2", "begins with a byte order mark"),
        ("h\0u\0n\0t\0", "holds NUL characters"),
    ],
)
def test_what_no_person_sees_in_a_value_is_refused(
    keyrelay: Keyrelay, value: str, sentence: str
) -> None:
    named = ("--key", "token", "--tag", "team=north", "--value-file", "-")

    said = keyrelay("secret", "create", *named, stdin=value)

    assert said.code == 1
    assert sentence in said.err
    assert "hunt" not in said.err


def test_a_new_value_is_a_new_version(keyrelay: Keyrelay) -> None:
    create_secret(keyrelay)

    edited = keyrelay(
        "secret", "edit", "mail", "--value-file", "-", stdin=json.dumps(SMTP)
    )
    tagged = keyrelay("secret", "edit", "mail", "--tag", "team=south", "--json")

    assert ID.fullmatch(edited.id)
    assert tagged.document["version"] == 3
    assert tagged.document["tags"] == [{"key": "team", "value": "south"}]


def test_an_action_is_shown_as_it_was_sent(keyrelay: Keyrelay) -> None:
    document = mail_action(create_secret(keyrelay))
    file = keyrelay.write("action.json", document)

    created = keyrelay("action", "create", "--file", file, "--json").document

    shown = keyrelay("action", "show", "tell", "--json").document
    assert shown == created
    assert without_dates(shown) == {
        **document,
        "id": created["id"],
        "active": True,
        "lock": False,
        "last_triggered": "never",
        "remarks": shown["remarks"],
    }


def test_when_an_action_was_last_triggered_is_shown_and_listed_and_moves(
    keyrelay: Keyrelay,
) -> None:
    create_action(keyrelay, create_secret(keyrelay))
    keyrelay("action", "edit", "tell", "--lock")
    listed = keyrelay("action", "list", "--json").documents
    seen = [str(listed[0]["last_triggered"])]

    for trigger in ("t1", "t2"):
        keyrelay("trigger", "publish", "--action", "tell", "--id", trigger)
        keyrelay("worker", "--drain")
        (shown,) = keyrelay("action", "list", "--json").documents
        document = keyrelay("action", "show", "tell", "--json").document
        assert document == {**shown, "remarks": document["remarks"]}
        seen.append(str(shown["last_triggered"]))

    assert seen[0] == "never"
    assert "2" < seen[1] < seen[2] < "3"


def test_a_trigger_of_a_locked_action_is_shown_and_counted_as_locked(
    keyrelay: Keyrelay,
) -> None:
    create_action(keyrelay, create_secret(keyrelay))
    keyrelay("action", "edit", "tell", "--lock")
    keyrelay("trigger", "publish", "--action", "tell", "--id", "t1")

    said = keyrelay("worker", "--drain", "--json")

    assert (said.document["delivered"], said.document["locked"]) == (0, 1)
    (record,) = keyrelay("attempt", "list", "--json").documents
    assert (record["outcome"], record["settlement"]) == ("locked", "done")
    assert "receipt" not in record


@pytest.mark.parametrize("verb", ["create", "edit"])
def test_what_only_looks_like_a_placeholder_is_said_when_it_is_saved(
    keyrelay: Keyrelay, verb: str
) -> None:
    document = mail_action(create_secret(keyrelay), name="ask $OWNER$")
    if verb == "edit":
        keyrelay("action", "create", "--file", keyrelay.write("old.json", document))
    text = json.dumps(document).replace("It is", "$OWNER$ says")
    named = ("ask $OWNER$",) if verb == "edit" else ()

    said = keyrelay("action", verb, *named, "--file", "-", stdin=text)

    assert ID.fullmatch(said.id)
    assert "$OWNER$ is no placeholder" in said.err


@pytest.mark.parametrize(
    ("switch", "field", "value"),
    [
        ("--inactive", "active", False),
        ("--active", "active", True),
        ("--lock", "lock", True),
        ("--unlock", "lock", False),
    ],
)
def test_a_switch_is_an_edit(
    keyrelay: Keyrelay, switch: str, field: str, value: object
) -> None:
    create_action(keyrelay, create_secret(keyrelay))

    edited = keyrelay("action", "edit", "tell", switch, "--json")

    assert edited.document[field] is value


def test_an_edit_replaces_what_it_gives(keyrelay: Keyrelay) -> None:
    create_policy(keyrelay)
    changes = '{"targets": [["action"]]}'

    edited = keyrelay(
        "policy", "edit", "north uses its own", "--file", "-", stdin=changes
    )

    shown = keyrelay("policy", "show", edited.id, "--json").document
    assert without_dates(shown) == {
        **ALLOW,
        "id": edited.id,
        "active": True,
        "tags": [],
        "targets": [["action"]],
        "remarks": [],
    }


NEVER = "its secret is not released to it: no policy lets action"


def test_an_action_whose_secret_is_not_released_says_so_until_it_is(
    keyrelay: Keyrelay,
) -> None:
    document = mail_action(create_secret(keyrelay))
    file = keyrelay.write("action.json", document)

    created = keyrelay("action", "create", "--file", file)
    shown = keyrelay("action", "show", "tell")
    as_json = keyrelay("action", "show", "tell", "--json").document["remarks"]
    create_policy(keyrelay)

    assert NEVER in created.err
    assert NEVER in shown.err
    assert NEVER not in shown.out
    assert f"['{NEVER}" in str(as_json)
    assert keyrelay("action", "show", "tell").err == ""
    locked = keyrelay("action", "edit", "tell", "--lock")
    assert "it is locked" in locked.err


def test_a_policy_about_what_is_not_here_says_so(keyrelay: Keyrelay) -> None:
    file = keyrelay.write("imported.json", {**ALLOW, "targets": [["run_user"]]})

    created = keyrelay("policy", "create", "--file", file, "--json")
    edited = keyrelay("policy", "edit", "north uses its own", "--inactive")

    said = "it names kinds that match nothing here: run_user"
    assert created.document["remarks"] == [said]
    assert said in edited.err
    assert "it is inactive" in edited.err


def test_the_uses_of_a_secret_say_which_action_is_given_it(keyrelay: Keyrelay) -> None:
    create_action(keyrelay, create_secret(keyrelay))
    (denied,) = keyrelay("secret", "uses", "mail", "--json").documents
    policy = create_policy(keyrelay)

    (allowed,) = keyrelay("secret", "uses", "mail", "--json").documents

    assert (denied["name"], denied["released"]) == ("tell", False)
    assert str(denied["reason"]).startswith("no policy lets action")
    assert (allowed["released"], allowed["policy"]) == (True, policy)
    assert "tell" in keyrelay("secret", "uses", "mail").out


@pytest.mark.parametrize("noun", ["secret", "action", "policy"])
def test_a_deleted_definition_is_gone(keyrelay: Keyrelay, noun: str) -> None:
    ids = {"secret": create_secret(keyrelay, "spare", "text")}
    ids["action"] = create_action(keyrelay, create_secret(keyrelay))
    ids["policy"] = create_policy(keyrelay)

    said = keyrelay(noun, "delete", ids[noun])

    assert said.id == ids[noun]
    assert keyrelay(noun, "show", ids[noun]).code == 1
    record = keyrelay("audit", "list", "--json").documents[0]
    assert (record["noun"], record["change"]) == (noun, "deleted")
    assert str(record["actor"]).startswith("cli:")


def test_a_list_can_be_filtered(keyrelay: Keyrelay) -> None:
    for key in ("mail-1", "mail-2", "token"):
        create_secret(keyrelay, key, "text")
    keyrelay("secret", "edit", "mail-2", "--tag", "team=south")

    def keys(*arguments: str) -> list[object]:
        listed = keyrelay("secret", "list", "--json", *arguments)
        return [document["key"] for document in listed.documents]

    assert keys() == ["mail-1", "mail-2", "token"]
    assert keys("--name", "mail*") == ["mail-1", "mail-2"]
    assert keys("--tag", "team=south") == ["mail-2"]
    assert keys("--limit", "1") == ["mail-1"]


def test_a_table_says_when_there_is_more(keyrelay: Keyrelay) -> None:
    ids = [create_secret(keyrelay, f"key-{n}", "text") for n in range(3)]

    said = keyrelay("secret", "list", "--limit", "2")

    heading, *rows = said.out.splitlines()
    assert heading.split()[0] == "id"
    assert [row.split()[0] for row in rows] == ids[:2]
    assert "--limit" in said.err


def test_a_list_of_several_pages_shows_each_entry_once(
    keyrelay: Keyrelay,
) -> None:
    lines = "".join(
        json.dumps({"id": f"t{n}", "action": "0" * 24}) + "\n" for n in range(1100)
    )
    keyrelay("trigger", "publish", "--file", "-", stdin=lines)
    keyrelay("worker", "--drain")

    letters = keyrelay("dead-letter", "list", "--json").documents
    attempts = keyrelay("attempt", "list", "--json").documents

    assert {letter["trigger"] for letter in letters} == {f"t{n}" for n in range(1100)}
    assert len(letters) == len(attempts) == 1100


def test_a_trigger_is_followed_from_the_queue_to_its_dead_letter(
    keyrelay: Keyrelay,
) -> None:
    action = create_action(keyrelay, create_secret(keyrelay))
    keyrelay("trigger", "publish", "--action", "tell", "--id", "t1", "--value", "9.5")

    waiting = keyrelay("trigger", "show", "t1", "--json").document
    said = keyrelay("worker", "--drain")
    buried = keyrelay("trigger", "show", "t1", "--json").document
    letter = keyrelay("dead-letter", "show", "t1", "--json").document

    assert (waiting["state"], waiting["attempts"]) == ("waiting", 0)
    assert waiting["settled_at"] == "never"
    assert said.out == "0 delivered, 1 buried, 0 to be tried again later\n"
    assert (buried["state"], buried["attempts"]) == ("buried", 1)
    match buried:
        case {
            "dead_letter": {"reason": str(reason)},
            "attempt_records": [{"id": str(id_), "outcome": outcome}],
        }:
            assert "no policy lets" in reason
            attempt = keyrelay("attempt", "show", id_, "--json").document
            assert attempt["outcome"] == outcome == "rejected"
        case _:
            pytest.fail(f"no letter, or no attempt: {buried}")
    match letter:
        case {"action": named, "document": {"data": [point]}}:
            assert (named, point) == (action, {"value": 9.5})
        case _:
            pytest.fail(f"no trigger in {letter}")
    assert "buried" in keyrelay("trigger", "show", "t1").out


def test_a_redriven_trigger_is_attempted_anew(keyrelay: Keyrelay) -> None:
    create_action(keyrelay, create_secret(keyrelay))
    bury(keyrelay, "t1")

    said = keyrelay("dead-letter", "redrive", "t1")

    assert said.out == "t1\n"
    assert keyrelay("dead-letter", "list", "--json").json == []
    assert keyrelay("worker", "--drain", "--json").document["buried"] == 1


def test_a_letter_is_kept_while_its_trigger_may_be_about_to_be_buried(
    keyrelay: Keyrelay,
) -> None:
    create_action(keyrelay, create_secret(keyrelay))
    bury(keyrelay, "t1")
    # As between the two steps of a worker: it has buried, and has not settled yet.
    leased = (
        "UPDATE triggers SET settled_at = NULL, settlement = NULL, token = 'a lane'"
    )
    with closing(sqlite3.connect(keyrelay.home / "queue.db")) as queue, queue:
        queue.execute(leased)

    said = keyrelay("dead-letter", "redrive", "t1")

    assert said.code == 1
    assert "trigger t1 is being attempted: look again" in said.err
    assert len(keyrelay("dead-letter", "list", "--json").documents) == 1


def test_letters_that_could_not_be_redriven_are_named(keyrelay: Keyrelay) -> None:
    create_action(keyrelay, create_secret(keyrelay))
    bury(keyrelay, "t1")

    said = keyrelay("dead-letter", "redrive", "t0", "t1", "t2")

    assert said.code == 1
    assert said.out == "t1\n"
    assert "there is no dead letter t0" in said.err
    assert "there is no dead letter t2" in said.err


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ((), []),
        (("--fault", "definition"), []),
        (("--fault", "trigger"), ["t2", "t1"]),
        (("--action", "tell"), []),
        (("--since", "1h"), []),
        (("--since", "2999-01-01T00:00:00Z"), ["t2", "t1"]),
    ],
    ids=str,
)
def test_all_letters_that_match_the_filters_are_dropped(
    keyrelay: Keyrelay, filters: tuple[str, ...], left: list[str]
) -> None:
    create_action(keyrelay, create_secret(keyrelay))
    bury(keyrelay, "t1")
    bury(keyrelay, "t2")

    said = keyrelay("dead-letter", "drop", "--all", "--yes", *filters)

    assert said.code == 0
    listed = keyrelay("dead-letter", "list", "--json").documents
    assert [letter["trigger"] for letter in listed] == left


def test_nothing_is_dropped_without_being_confirmed(keyrelay: Keyrelay) -> None:
    create_action(keyrelay, create_secret(keyrelay))
    bury(keyrelay, "t1")

    said = keyrelay("dead-letter", "drop", "--all")

    assert said.code == 2
    assert "give --yes" in said.err
    assert len(keyrelay("dead-letter", "list", "--json").documents) == 1


@pytest.mark.parametrize(
    ("since", "some"), [("1h", True), ("2999-01-01T00:00:00+01:00", False)]
)
def test_records_are_found_by_time_kind_and_action(
    keyrelay: Keyrelay, since: str, some: object
) -> None:
    create_action(keyrelay, create_secret(keyrelay))
    bury(keyrelay, "t1")

    found = keyrelay("audit", "list", "--since", since, "--json").documents
    attempts = keyrelay("audit", "list", "--kind", "attempt", "--json").documents
    of_action = keyrelay("audit", "list", "--action", "tell", "--json").documents

    assert bool(found) is some
    assert [record["trigger"] for record in attempts] == ["t1"]
    assert {record["kind"] for record in of_action} == {"attempt", "change"}


def test_records_are_listed_of_an_action_or_of_an_analysis(
    keyrelay: Keyrelay,
) -> None:
    create_action(keyrelay, create_secret(keyrelay))
    bury(keyrelay, "t1")
    analysis = keyrelay.write("analysis.json", {"name": "cold rooms"})
    keyrelay("analysis", "create", "--file", analysis)

    of_analysis = keyrelay("audit", "list", "--analysis", "cold rooms", "--json")
    released = keyrelay("audit", "list", "--kind", "release", "--json")
    of_both = keyrelay("audit", "list", "--analysis", "a", "--action", "b")

    assert (of_analysis.documents, released.documents) == ([], [])
    assert of_both.code == 2


@pytest.mark.parametrize(
    "since", ["yesterday", "2030-01-01T00:00:00", "7w", "", "999999d"]
)
def test_text_that_is_no_time_is_refused(keyrelay: Keyrelay, since: str) -> None:
    said = keyrelay("audit", "list", "--since", since)

    assert said.code == 1
    assert said.is_one_sentence


def test_the_audit_trail_is_verified(keyrelay: Keyrelay) -> None:
    create_secret(keyrelay)

    said = keyrelay("audit", "verify")

    records = len(keyrelay("audit", "list", "--json").documents)
    assert said.code == 0
    assert said.out.startswith(f"{records} records in ")


EXPLAINED: Mapping[str, tuple[list[Document], int, str]] = {
    "without a policy": ([], 1, "no policy lets"),
    "with one that allows": ([dict(ALLOW)], 0, "lets action"),
    "with a deny beside it": (
        [
            dict(ALLOW),
            {
                "name": "never",
                "targets": [["action"]],
                "permissions": [
                    {"effect": "deny", "action": ["access"], "resource": ["secrets"]}
                ],
            },
        ],
        1,
        '"never"',
    ),
    "with one for others": (
        [dict(ALLOW) | {"targets": [["action", "id", "0" * 24]]}],
        1,
        '"north uses its own"',
    ),
}


@pytest.mark.parametrize(
    ("policies", "code", "words"), EXPLAINED.values(), ids=EXPLAINED.keys()
)
def test_an_explanation_names_the_rule_or_what_is_missing(
    keyrelay: Keyrelay, policies: list[Document], code: int, words: str
) -> None:
    create_action(keyrelay, create_secret(keyrelay))
    for policy in policies:
        create_policy(keyrelay, policy)
    asked = ("policy", "explain", "--action", "tell", "--secret", "mail")

    said = keyrelay(*asked)
    as_json = keyrelay(*asked, "--json")

    assert (said.code, as_json.code) == (code, code)
    assert words in said.out
    match json.loads(as_json.out):
        case {"allowed": allowed, "reason": str(reason)}:
            assert allowed is (code == 0)
            assert reason in said.out
        case other:
            pytest.fail(f"no explanation: {other}")


def test_an_explanation_is_asked_for_an_analysis_too(keyrelay: Keyrelay) -> None:
    create_secret(keyrelay)
    analysis = keyrelay.write("analysis.json", {"name": "cold rooms"})
    keyrelay("analysis", "create", "--file", analysis)
    asked = ("policy", "explain", "--analysis", "cold rooms", "--secret", "mail")

    denied = keyrelay(*asked)
    policy = {**dict(ALLOW), "targets": [["analysis"]]}
    policy["permissions"] = [
        {"effect": "allow", "action": ["access"], "resource": ["secrets"]}
    ]
    create_policy(keyrelay, policy)
    allowed = keyrelay(*asked)
    uses = keyrelay("secret", "uses", "mail")
    both = keyrelay(*asked, "--action", "tell")
    neither = keyrelay("policy", "explain", "--secret", "mail")

    assert (denied.code, allowed.code) == (1, 0)
    assert "no policy lets analysis" in denied.out
    assert "lets analysis" in allowed.out
    assert "cold rooms" in uses.out
    assert (both.code, neither.code) == (2, 2)


def test_key_status_lists_the_keys_and_their_ages(keyrelay: Keyrelay) -> None:
    create_secret(keyrelay)

    status = keyrelay("key", "status", "--check", "--json").document

    match status:
        case {
            "sealed": False,
            "keys": [{"purpose": one, "age_days": 0}, {"purpose": other}],
            "examined": 1,
            "broken": [],
        }:
            assert {one, other} == {"secrets", "integrity"}
        case _:
            pytest.fail(f"not as expected: {status}")
    assert "1 of 1 secrets open" in keyrelay("key", "status", "--check").out


def test_a_trigger_is_shown_with_what_it_asks_for(keyrelay: Keyrelay) -> None:
    action = create_action(keyrelay, create_secret(keyrelay))
    given = (
        "--id",
        "t9",
        "--trigger-key",
        "door",
        "--deadline",
        "2099-01-01T00:00:00Z",
    )
    keyrelay("trigger", "publish", "--action", "tell", "--value", "9.5", *given)

    waiting = keyrelay("trigger", "show", "t9", "--json").document
    keyrelay("worker", "--drain")
    buried = keyrelay("trigger", "show", "t9", "--json").document
    keyrelay("dead-letter", "drop", "t9", "--yes")
    settled = keyrelay("trigger", "show", "t9", "--json").document

    for shown in (waiting, buried):
        assert (shown["action"], shown["key"]) == (action, "door")
        assert shown["deadline"] == "2099-01-01T00:00:00.000Z"
        assert shown["data"] == [{"value": 9.5}]
    assert settled["action"] == action
    assert "data" not in settled
