"""Secrets, through both of TagoIO's clients: each call, list and failure."""

import json
import re
from collections.abc import Mapping

import pytest

from tests.sdk.client import Sdk, last

TAGS = [{"key": "env", "value": "test"}]
UNKNOWN = "0" * 24
SMTP = {
    "smtp_server": "mail.example.com",
    "smtp_port": 587,
    "username": "relay",
    "password": "correct horse battery staple",
}
SQS = {
    "aws_region": "eu-central-1",
    "queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/orders",
    "access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}
INSTANT = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def a_secret(key: str, value: object = "hunter2 is no password") -> dict[str, object]:
    return {"key": key, "value": value, "tags": TAGS}


def created(sdk: Sdk, key: str, tags: list[dict[str, str]] | None = None) -> str:
    made = sdk.document("secrets.create", a_secret(key) | {"tags": tags or TAGS})
    assert made.keys() == {"id"}
    return str(made["id"])


def test_a_secret_is_created_and_its_value_is_never_told(sdk: Sdk, mark: str) -> None:
    id_ = created(sdk, mark)

    info = sdk.document("secrets.info", id_)

    assert len(id_) == 24
    wire = {"id", "key", "tags", "value_length", "created_at", "updated_at"}
    ours = {"type", "version", "paused"}
    assert info.keys() == wire | ours
    assert (info["id"], info["key"], info["type"]) == (id_, mark, "text")
    assert (info["tags"], info["value_length"]) == (TAGS, 22)
    assert INSTANT.fullmatch(str(info["created_at"]))
    assert info["created_at"] == info["updated_at"]


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        ("hunter2", "text"),
        ("x" * 2048, "text"),
        (json.dumps(SMTP), "smtp"),
        (SMTP, "smtp"),
        (json.dumps(SQS), "aws-sqs"),
        (SQS, "aws-sqs"),
        (SQS | {"session_token": "temporary"}, "aws-sqs"),
        (json.dumps({"smtp_server": "mail.example.com"}), "text"),
    ],
    ids=str,
)
def test_the_type_of_a_secret_follows_from_its_value(
    sdk: Sdk, mark: str, value: object, type_: str
) -> None:
    made = sdk.document("secrets.create", a_secret(mark, value))

    assert sdk.document("secrets.info", made["id"])["type"] == type_


def test_a_secret_is_edited_and_deleted(sdk: Sdk, mark: str) -> None:
    id_ = created(sdk, mark)
    other = [{"key": "site", "value": "here"}]

    replaced = sdk.call("secrets.edit", id_, {"value": "longer than before it was"})
    tagged = sdk.call("secrets.edit", id_, {"tags": other})
    info = sdk.document("secrets.info", id_)
    removed = sdk.call("secrets.delete", id_)

    assert replaced == tagged == "Successfully Updated"
    assert (info["tags"], info["value_length"]) == (other, 25)
    assert removed == "Successfully Removed"
    assert sdk.refusal("secrets.info", id_) == "Secret Not Found"


def test_a_whole_info_is_sent_back(sdk: Sdk, mark: str) -> None:
    id_ = created(sdk, mark)
    before = sdk.document("secrets.info", id_)

    assert sdk.call("secrets.edit", id_, last({"tags": TAGS})) == "Successfully Updated"
    after = sdk.document("secrets.info", id_)
    copy = {"key": f"{mark}-copy", "value": "hunter3"}
    duplicate = sdk.document("secrets.create", last(copy))

    moved = {"updated_at": None, "version": None}
    assert after | moved == before | moved
    info = sdk.document("secrets.info", duplicate["id"])
    assert (info["key"], info["tags"], info["value_length"]) == (copy["key"], TAGS, 7)


@pytest.fixture
def four(sdk: Sdk, mark: str) -> Mapping[str, str]:
    """The ids of four secrets, by the last letter of their keys."""
    site = [*TAGS, {"key": "site", "value": mark}]
    return {
        "B": created(sdk, f"{mark}-B", tags=site),
        "a": created(sdk, f"{mark}-a", tags=[{"key": "site", "value": mark}]),
        "d": created(sdk, f"{mark}-d"),
        "c": created(sdk, f"x-{mark}-c", tags=[*site, {"key": "door", "value": "1"}]),
    }


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "aBdc"),
        ({"orderBy": ["key", "asc"]}, "aBdc"),
        ({"orderBy": ["key", "desc"]}, "cdBa"),
        ({"amount": 3}, "aBd"),
        ({"amount": 3, "page": 2}, "c"),
        ({"amount": 3, "page": 3}, ""),
        ({"amount": 10_000}, "aBdc"),
        ({"filter": {"key": "mark*"}}, "aBd"),
        ({"filter": {"key": "MARK*"}}, "aBd"),
        ({"filter": {"key": "*mark*"}}, "aBdc"),
        ({"filter": {"key": "mark-a"}}, "a"),
        ({"filter": {"key": "mark"}}, ""),
        ({"filter": {"key": "*" * 400 + "mark-a"}}, "a"),
        ({"filter": {"tags": [{"key": "site", "value": "mark"}]}}, "aBc"),
        (
            {
                "filter": {
                    "tags": [
                        {"key": "site", "value": "mark"},
                        {"key": "door", "value": "1"},
                    ]
                }
            },
            "c",
        ),
        ({"filter": {"tags": [{"key": "site", "value": "other"}]}}, ""),
        (
            {
                "filter": {
                    "key": "*-a",
                    "tags": [{"key": "site", "value": "mark"}],
                }
            },
            "a",
        ),
    ],
    ids=lambda part: str(part)[:80],
)
def test_secrets_are_listed_by_filter_order_and_page(
    sdk: Sdk, mark: str, four: Mapping[str, str], asked: dict[str, object], found: str
) -> None:
    told = json.dumps(asked).replace("MARK", mark.upper()).replace("mark", mark)
    query = json.loads(told)
    query.setdefault("filter", {}).setdefault("key", f"*{mark}*")

    rows = sdk.rows("secrets.list", query)

    assert [row["id"] for row in rows] == [four[letter] for letter in found]


def test_a_secret_is_listed_by_its_id(sdk: Sdk, four: Mapping[str, str]) -> None:
    rows = sdk.rows("secrets.list", {"filter": {"id": four["c"]}})

    assert [row["id"] for row in rows] == [four["c"]]


def test_a_list_has_the_fields_that_are_asked_for_and_no_value(
    sdk: Sdk, mark: str
) -> None:
    id_ = created(sdk, mark)
    fields = ["id", "tags", "value_length", "created_at", "value", "envelope"]

    (row,) = sdk.rows("secrets.list", {"filter": {"key": mark}})
    (asked,) = sdk.rows("secrets.list", {"filter": {"key": mark}, "fields": fields})

    assert row == {"id": id_, "key": mark}
    assert asked.keys() == {"id", "tags", "value_length", "created_at"}


def test_twenty_secrets_are_on_a_page_unless_another_amount_is_asked_for(
    sdk: Sdk, mark: str
) -> None:
    ids = [created(sdk, f"{mark}-{number:02}") for number in range(21)]
    mine = {"filter": {"key": f"{mark}*"}}

    assert [row["id"] for row in sdk.rows("secrets.list", mine)] == ids[:20]
    assert [row["id"] for row in sdk.rows("secrets.list", mine | {"page": 2})] == [
        ids[20]
    ]


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"key": ""}, "key must have 1 to 100 characters"),
        ({"key": "a b"}, "key has 1 to 100 letters, digits, '_', '-' and '.'"),
        ({"key": "k" * 101}, "key must have 1 to 100 characters"),
        ({"value": ""}, "value must have 1 to 2048 characters"),
        ({"value": "x" * 2049}, "value must have 1 to 2048 characters"),
        ({"value": 5}, "value must"),
        ({"value": SMTP | {"smtp_port": 25}}, "smtp_port"),
        ({"value": json.dumps(SMTP), "type": "aws-sqs"}, "aws-sqs"),
        ({"type": "oracle"}, "type must be one of text, smtp, aws-sqs"),
        ({"tags": []}, "a secret needs at least one tag"),
        ({"tags": [*TAGS, *TAGS]}, "tags must not have the same key twice"),
        (
            {"tags": [{"key": f"k{n}", "value": "v"} for n in range(31)]},
            "tags must have at most 30 entries",
        ),
        ({"colour": "red"}, "a secret has no field"),
    ],
    ids=str,
)
def test_a_secret_that_breaks_a_rule_is_refused_with_the_rule(
    sdk: Sdk, mark: str, document: dict[str, object], why: str
) -> None:
    assert why in sdk.refusal("secrets.create", a_secret(mark) | document)


def test_a_key_is_unique_and_never_changes(sdk: Sdk, mark: str) -> None:
    id_ = created(sdk, mark)

    twice = sdk.refusal("secrets.create", a_secret(mark))
    renamed = sdk.refusal("secrets.edit", id_, {"key": f"{mark}-other"})

    assert twice == "Secret key already exists"
    assert renamed.startswith("a secret's key never changes")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, "an edit of a secret gives a value, tags or both"),
        ({"value": ""}, "value must have 1 to 2048 characters"),
        ({"tags": []}, "a secret needs at least one tag"),
        ({"colour": "red"}, "a secret's edit has no field"),
    ],
    ids=str,
)
def test_an_edit_that_breaks_a_rule_is_refused_and_changes_nothing(
    sdk: Sdk, mark: str, changes: Mapping[str, object], why: str
) -> None:
    id_ = created(sdk, mark)
    before = sdk.document("secrets.info", id_)

    assert why in sdk.refusal("secrets.edit", id_, changes)
    assert sdk.document("secrets.info", id_) == before


@pytest.mark.parametrize("id_", [UNKNOWN, "x", "a" * 24])
def test_what_is_not_there_is_said_so(sdk: Sdk, id_: str) -> None:
    assert sdk.refusal("secrets.info", id_) == "Secret Not Found"
    assert sdk.refusal("secrets.edit", id_, {"value": "x"}) == "Secret Not Found"
    assert sdk.refusal("secrets.delete", id_) == "Secret Not Found"


def test_a_secret_that_an_action_uses_is_not_deleted(sdk: Sdk, mark: str) -> None:
    made = sdk.document("secrets.create", a_secret(mark, SQS))
    does = {"type": "queue-sqs", "sqs_secret": made["id"], "batch_enabled": True}
    action = sdk.document("actions.create", {"name": mark, "action": does})

    kept = sdk.refusal("secrets.delete", made["id"])
    sdk.call("actions.delete", action["action"])

    assert kept.startswith("actions use this secret: ")
    assert sdk.call("secrets.delete", made["id"]) == "Successfully Removed"


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"amount": 10_001}, "amount must be a whole number from 1 to 10000"),
        ({"amount": -1}, "amount must be a whole number from 1 to 10000"),
        ({"page": -1}, "page must be a whole number from 1"),
        ({"orderBy": ["created_at", "asc"]}, "orderBy must be one of key, then"),
        ({"orderBy": ["key", "up"]}, "orderBy must be one of key, then"),
        ({"filter": {"value": "*h*"}}, "filter must be one of id, key, tags;"),
        ({"filter": {"key": ""}}, "filter[key] must have 1 to 1000 characters"),
        ({"filter": {"tags": [{"key": "env"}]}}, "filter[tags] must have a key and"),
    ],
    ids=str,
)
def test_a_list_that_cannot_be_is_refused(
    sdk: Sdk, query: Mapping[str, object], why: str
) -> None:
    assert sdk.refusal("secrets.list", query).startswith(why)
