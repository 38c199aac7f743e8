"""Actions, through both of TagoIO's clients: each call, list and failure."""

import json
from collections.abc import Mapping

import pytest

from tests.sdk.client import Sdk, last
from tests.sdk.test_secrets import INSTANT, SMTP, SQS, TAGS, UNKNOWN, a_secret


@pytest.fixture(scope="module")
def smtp_secret(client: Sdk, token: str) -> str:
    made = client.bearing(token).document("secrets.create", a_secret(client.name, SMTP))
    return str(made["id"])


@pytest.fixture(scope="module")
def sqs_secret(client: Sdk, token: str) -> str:
    key = f"{client.name}-sqs"
    made = client.bearing(token).document("secrets.create", a_secret(key, SQS))
    return str(made["id"])


@pytest.fixture
def mail(smtp_secret: str) -> dict[str, object]:
    return {
        "type": "email-smtp",
        "from": "relay@example.com",
        "to": "ada@example.com; bob@example.com",
        "subject": "$VARIABLE$ is $VALUE$",
        "message": "It is $VALUE$ $UNIT$.",
        "smtp_secret": smtp_secret,
    }


def created(sdk: Sdk, document: Mapping[str, object]) -> str:
    made = sdk.document("actions.create", document)
    assert made.keys() == {"action"}
    return str(made["action"])


def test_an_action_is_created_with_no_more_than_it_does(
    sdk: Sdk, mark: str, mail: Mapping[str, object]
) -> None:
    id_ = created(sdk, {"name": mark, "action": mail})

    info = sdk.document("actions.info", id_)

    assert len(id_) == 24
    assert (info["id"], info["name"], info["action"]) == (id_, mark, mail)
    assert (info["active"], info["tags"]) == (True, [])
    assert INSTANT.fullmatch(str(info["created_at"]))
    assert INSTANT.fullmatch(str(info["updated_at"]))


def test_an_action_comes_back_as_it_was_sent(
    sdk: Sdk, mark: str, sqs_secret: str
) -> None:
    does = {"type": "queue-sqs", "sqs_secret": sqs_secret, "batch_enabled": False}
    sent = {
        "name": mark,
        "active": False,
        "tags": TAGS,
        "description": "tells the cold chain",
        "lock": True,
        "type": "condition",
        "trigger": [
            {
                "device": UNKNOWN,
                "variable": "temperature",
                "is": ">",
                "value": "8",
                "value_type": "number",
                "unlock": False,
            }
        ],
        "trigger_when_unlock": True,
        "action": does,
    }

    info = sdk.document("actions.info", created(sdk, sent))

    assert {name: info[name] for name in sent} == sent


@pytest.mark.parametrize(
    ("type_", "trigger"),
    [
        ("resource", {"resource": "device", "when": "create", "tag_key": "a"}),
        ("interval", {"interval": "1 minute"}),
        ("schedule", {"timezone": "UTC", "cron": "* * * * *"}),
        ("mqtt_topic", {"device": UNKNOWN, "topic": "a/b"}),
        ("usage_alert", {"service_or_resource": "input", "condition": ">"}),
        ("condition_geofence", {"device": UNKNOWN, "is": "IN"}),
    ],
)
def test_each_type_of_condition_is_kept(
    sdk: Sdk, mark: str, mail: Mapping[str, object], type_: str, trigger: object
) -> None:
    sent = {"name": mark, "type": type_, "trigger": [trigger], "action": mail}

    info = sdk.document("actions.info", created(sdk, sent))

    assert (info["type"], info["trigger"]) == (type_, [trigger])


def test_a_description_may_be_null(
    sdk: Sdk, mark: str, mail: Mapping[str, object]
) -> None:
    id_ = created(sdk, {"name": mark, "description": None, "action": mail})

    assert sdk.document("actions.info", id_)["description"] is None


def test_an_edit_replaces_what_it_names(
    sdk: Sdk, mark: str, mail: Mapping[str, object]
) -> None:
    id_ = created(sdk, {"name": mark, "tags": TAGS, "action": mail})
    shorter = {**mail, "subject": "cold"}
    changes = {"active": False, "name": f"{mark}-b", "action": shorter}

    text = sdk.call("actions.edit", id_, changes)
    info = sdk.document("actions.info", id_)

    assert text == "Action Successfully Updated"
    assert {name: info[name] for name in changes} == changes
    assert info["tags"] == TAGS


def test_a_whole_info_is_sent_back_and_makes_a_duplicate(
    sdk: Sdk, mark: str, mail: Mapping[str, object]
) -> None:
    id_ = created(sdk, {"name": mark, "tags": TAGS, "lock": True, "action": mail})
    before = sdk.document("actions.info", id_)

    text = sdk.call("actions.edit", id_, last({"active": False}))
    after = sdk.document("actions.info", id_)
    copy = created(sdk, last({"name": f"{mark}-copy"}))
    duplicate = sdk.document("actions.info", copy)

    assert text == "Action Successfully Updated"
    assert after == {
        **before,
        "active": False,
        "updated_at": after["updated_at"],
    }
    own = ("id", "name", "created_at", "updated_at")
    assert without(duplicate, own) == without(after, own)
    assert duplicate["id"] != id_


def without(
    document: Mapping[str, object], names: tuple[str, ...]
) -> Mapping[str, object]:
    return {name: each for name, each in document.items() if name not in names}


def test_an_action_is_deleted(sdk: Sdk, mark: str, mail: Mapping[str, object]) -> None:
    id_ = created(sdk, {"name": mark, "action": mail})

    assert sdk.call("actions.delete", id_) == "Successfully Removed"
    assert sdk.refusal("actions.info", id_) == "Action Not Found"


@pytest.fixture
def four(sdk: Sdk, mark: str, mail: Mapping[str, object]) -> Mapping[str, str]:
    """The ids of four actions, by the last letter of their names."""
    site = {"key": "site", "value": mark}
    sent: Mapping[str, Mapping[str, object]] = {
        "B": {"name": f"{mark} B", "active": False, "tags": [site]},
        "a": {"name": f"{mark} a", "tags": [site, *TAGS]},
        "d": {"name": f"{mark} d", "tags": TAGS},
        "c": {"name": f"x {mark} c"},
    }
    ids = {
        letter: created(sdk, {**document, "action": mail})
        for letter, document in sent.items()
    }
    sdk.call("actions.edit", ids["B"], {"lock": True})
    return ids


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "aBdc"),
        ({"orderBy": ["name", "asc"]}, "aBdc"),
        ({"orderBy": ["name", "desc"]}, "cdBa"),
        ({"orderBy": ["created_at", "asc"]}, "Badc"),
        ({"orderBy": ["created_at", "desc"]}, "cdaB"),
        ({"orderBy": ["updated_at", "desc"], "amount": 1}, "B"),
        ({"orderBy": ["active", "asc"], "amount": 1}, "B"),
        ({"amount": 3, "page": 2}, "c"),
        ({"filter": {"name": "mark*"}}, "aBd"),
        ({"filter": {"name": "mark a"}}, "a"),
        ({"filter": {"active": False}}, "B"),
        ({"filter": {"active": True}}, "adc"),
        ({"filter": {"tags": [{"key": "site", "value": "mark"}]}}, "aB"),
        (
            {
                "filter": {
                    "tags": [
                        {"key": "site", "value": "mark"},
                        {"key": "env", "value": "test"},
                    ]
                }
            },
            "a",
        ),
    ],
    ids=str,
)
def test_actions_are_listed_by_filter_order_and_page(
    sdk: Sdk, mark: str, four: Mapping[str, str], asked: dict[str, object], found: str
) -> None:
    query = json.loads(json.dumps(asked).replace("mark", mark))
    query.setdefault("filter", {}).setdefault("name", f"*{mark}*")

    rows = sdk.rows("actions.list", query)

    assert [row["id"] for row in rows] == [four[letter] for letter in found]


@pytest.mark.parametrize("way", ["asc", "desc"])
def test_actions_that_were_never_triggered_are_listed_by_name_in_that_order(
    sdk: Sdk, mark: str, four: Mapping[str, str], way: str
) -> None:
    asked = {"filter": {"name": f"*{mark}*"}, "orderBy": ["last_triggered", way]}

    rows = sdk.rows("actions.list", asked)
    by_name = sdk.rows("actions.list", {**asked, "orderBy": ["name", way]})

    assert rows == by_name


def test_an_action_is_listed_by_its_id(sdk: Sdk, four: Mapping[str, str]) -> None:
    rows = sdk.rows("actions.list", {"filter": {"id": four["c"]}})

    assert [row["id"] for row in rows] == [four["c"]]


def test_a_list_has_the_fields_that_are_asked_for(
    sdk: Sdk, mark: str, mail: Mapping[str, object]
) -> None:
    id_ = created(sdk, {"name": mark, "action": mail})
    mine = {"filter": {"name": mark}}
    fields = ["id", "active", "action", "created_at", "seal"]

    (row,) = sdk.rows("actions.list", mine)
    (asked,) = sdk.rows("actions.list", mine | {"fields": fields})

    assert row == {"id": id_, "name": mark}
    assert asked == {
        "id": id_,
        "active": True,
        "action": mail,
        "created_at": asked["created_at"],
    }
    assert INSTANT.fullmatch(str(asked["created_at"]))


OTHER_KINDS = (
    *("notification", "notification_run", "email", "sms", "mqtt", "post"),
    *("sms-twilio", "whatsapp-twilio", "email-sendgrid"),
)


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_a_kind_that_is_not_supported_is_refused_with_those_that_are(
    sdk: Sdk, mark: str, kind: str
) -> None:
    text = sdk.refusal("actions.create", {"name": mark, "action": {"type": kind}})

    assert text.startswith("action.type must be a supported kind: email-smtp")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"name": ""}, "name must have 1 to 100 characters"),
        ({"name": "n" * 101}, "name must have 1 to 100 characters"),
        ({"name": None}, "name must be a string"),
        ({"active": "yes"}, "active must be true or false"),
        ({"type": "weather"}, "type must be one of condition, resource,"),
        ({"trigger": {}}, "trigger must be a list"),
        ({"tags": [*TAGS, *TAGS]}, "tags must not have the same key twice"),
        ({"action": "mail"}, "action must be an object"),
        ({"colour": "red"}, "an action has no field"),
    ],
    ids=str,
)
def test_an_action_that_breaks_a_rule_is_refused_with_the_rule(
    sdk: Sdk,
    mark: str,
    mail: Mapping[str, object],
    changes: Mapping[str, object],
    why: str,
) -> None:
    id_ = created(sdk, {"name": mark, "action": mail})
    before = sdk.document("actions.info", id_)

    on_create = sdk.refusal("actions.create", {"name": mark, "action": mail, **changes})
    on_edit = sdk.refusal("actions.edit", id_, changes)

    assert on_create.startswith(why)
    assert on_edit.startswith(why)
    assert sdk.document("actions.info", id_) == before


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"to": "ada"}, "to "),
        ({"smtp_secret": "x"}, "smtp_secret must be a secret's 24-character id"),
        ({"smtp_secret": UNKNOWN}, "there is no secret"),
        ({"from": "a@b>,<c@d"}, "from "),
        ({"colour": "red"}, "an email-smtp action has no field"),
    ],
    ids=str,
)
def test_a_mail_that_cannot_be_sent_is_refused(
    sdk: Sdk,
    mark: str,
    mail: Mapping[str, object],
    changes: Mapping[str, object],
    why: str,
) -> None:
    document = {"name": mark, "action": {**mail, **changes}}

    assert why in sdk.refusal("actions.create", document)


def test_a_secret_of_another_type_is_refused(
    sdk: Sdk, mark: str, mail: Mapping[str, object], sqs_secret: str
) -> None:
    document = {"name": mark, "action": {**mail, "smtp_secret": sqs_secret}}

    text = sdk.refusal("actions.create", document)

    assert text.startswith("an action of type email-smtp needs a secret of type smtp")


@pytest.mark.parametrize("id_", [UNKNOWN, "x"])
def test_what_is_not_there_is_said_so(sdk: Sdk, id_: str) -> None:
    assert sdk.refusal("actions.info", id_) == "Action Not Found"
    assert sdk.refusal("actions.edit", id_, {"name": "x"}) == "Action Not Found"
    assert sdk.refusal("actions.delete", id_) == "Action Not Found"


def test_an_empty_edit_is_refused(
    sdk: Sdk, mark: str, mail: Mapping[str, object]
) -> None:
    id_ = created(sdk, {"name": mark, "action": mail})

    assert sdk.refusal("actions.edit", id_, {}) == "an edit gives at least one field"


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"amount": 10_001}, "amount must be a whole number from 1 to 10000"),
        ({"page": -1}, "page must be a whole number from 1"),
        ({"orderBy": ["type", "asc"]}, "orderBy must be one of name, active,"),
        ({"orderBy": ["name", "up"]}, "orderBy must be one of name, active,"),
        (
            {"filter": {"type": "condition"}},
            "filter must be one of id, name, active, tags",
        ),
        (
            {"filter": {"action": {"type": "email-smtp"}}},
            "filter must be one of id, name",
        ),
        ({"filter": {"active": "yes"}}, "filter[active] must be true or false"),
    ],
    ids=str,
)
def test_a_list_that_cannot_be_is_refused(
    sdk: Sdk, query: Mapping[str, object], why: str
) -> None:
    assert sdk.refusal("actions.list", query).startswith(why)
