"""Previews: what an action would send is shown, and nothing is opened or sent."""

from collections.abc import Mapping

from tests.installed.api import Api

SMTP = {
    "smtp_server": "mail.example.com",
    "smtp_port": 587,
    "username": "relay",
    "password": "canary-of-mail",
}
FIFO = {
    "aws_region": "eu-central-1",
    "queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/alarms.fifo",
    "access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "secret_access_key": "canary-of-queue",
}
ALLOW = {
    "name": "alarms",
    "targets": [["action"]],
    "permissions": [{"effect": "allow", "action": ["access"], "resource": ["secrets"]}],
}
UNKNOWN = "0" * 24


def secret(api: Api, key: str, value: Mapping[str, object]) -> str:
    tags = [{"key": "for", "value": "alarms"}]
    made = api.ask("POST", "/secrets", {"key": key, "value": value, "tags": tags})
    return made.field("id")


def mail_action(api: Api, **more: object) -> str:
    does = {
        "type": "email-smtp",
        "smtp_secret": secret(api, "mail", SMTP),
        "from": "Alerts <alerts@example.com>",
        "to": "ada@example.com; bob@example.com",
        "bcc": "eve@example.com",
        "subject": "$VARIABLE$ is $VALUE$",
        "message": "At $DEVICE.NAME$: $VALUE$ $UNIT$.",
    }
    return api.ask("POST", "/action", {"name": "tell", "action": does, **more}).field(
        "action"
    )


def queue_action(api: Api, **more: object) -> str:
    does = {"type": "queue-sqs", "sqs_secret": secret(api, "queue", FIFO)}
    document = {"name": "put", "action": {**does, "group_id": "$DEVICE$", **more}}
    return api.ask("POST", "/action", document).field("action")


def previewed(api: Api, action: str, body: object = None) -> Mapping[str, object]:
    answer = api.ask("POST", f"/action/{action}/preview", body)
    assert answer.status == 200, answer.document
    assert "canary" not in str(answer.document)
    assert isinstance(answer.result, dict)
    return answer.result


def refusal(shown: Mapping[str, object]) -> str:
    """Return the only one."""
    refusals = shown["refusals"]
    assert isinstance(refusals, list)
    (only,) = refusals
    return str(only)


def test_a_mail_is_shown_as_it_would_be_sent_and_whether_its_secret_is_released(
    api: Api,
) -> None:
    action = mail_action(api)
    point = {"variable": "door\n", "value": 8}
    denied = previewed(api, action, {"data": point})
    policy = api.ask("POST", "/am", ALLOW).field("am_id")

    shown = previewed(api, action, {"data": point})

    assert shown["message"] == {
        "from": "Alerts <alerts@example.com>",
        "to": "ada@example.com, bob@example.com",
        "cc": "",
        "reply_to": "",
        "recipients": ["ada@example.com", "bob@example.com", "eve@example.com"],
        "subject": "door  is 8",
        "message": "At : 8 .",
        "html": None,
    }
    assert shown["missing"] == ["DEVICE.NAME", "UNIT"]
    assert shown["replaced"] == ["subject"]
    assert shown["refusals"] == []
    released, refused = shown["released"], denied["released"]
    assert isinstance(released, dict)
    assert isinstance(refused, dict)
    assert (released["allowed"], released["policy"]) == (True, policy)
    assert refused["allowed"] is False
    assert denied["refusals"] == [refused["reason"]]
    assert api.get("/triggers").result == {
        "triggers": [],
        "next": None,
        "unread": False,
    }


def test_without_a_trigger_a_sample_with_every_fact_is_shown(api: Api) -> None:
    shown = previewed(api, mail_action(api))

    assert shown["missing"] == []
    assert isinstance(shown["message"], dict)
    assert shown["message"]["subject"] == "temperature is 21.5"


def test_queue_messages_are_shown_and_what_the_queue_would_refuse_is_told(
    api: Api,
) -> None:
    api.ask("POST", "/am", ALLOW)
    action = queue_action(api)
    points = [{"variable": f"v{n}", "device": f"d{n}"} for n in range(11)]

    shown = previewed(api, action, {"data": points})
    ungrouped = previewed(api, action, {"data": [{"variable": "v"}]})
    empty = previewed(api, action, {"data": []})

    assert shown["refusals"] == []
    message = shown["message"]
    assert isinstance(message, dict)
    assert (message["count"], len(message["messages"])) == (11, 10)
    assert message["messages"][1]["group_id"] == "d1"
    assert refusal(ungrouped).startswith("message 0: the group must be")
    assert empty["message"] is None
    assert empty["refusals"] == ["the trigger has no data points to send"]


def test_what_would_not_be_attempted_or_is_too_large_is_told(api: Api) -> None:
    api.ask("POST", "/am", ALLOW)
    action = mail_action(api, active=False, lock=True)

    shown = previewed(api, action, {"deadline": "2020-01-01T00:00:00Z"})
    api.ask("PUT", f"/action/{action}", {"active": True, "lock": False})
    long = previewed(api, action, {"data": {"variable": "x" * 1000}})

    assert shown["refusals"] == [
        "the action is inactive",
        "the action is locked and does not act",
        "the trigger's deadline has passed",
    ]
    assert long["message"] is None
    assert "subject longer than" in refusal(long)


def test_what_is_no_trigger_of_the_action_is_refused(api: Api) -> None:
    action = mail_action(api)

    for body in ({"action": UNKNOWN}, {"colour": "red"}, b"[]", b"{", {"data": 1}):
        assert api.ask("POST", f"/action/{action}/preview", body).status == 400
    absent = api.ask("POST", f"/action/{UNKNOWN}/preview", {"action": action})
    assert (absent.status, absent.message) == (404, "Action Not Found")


def drafted(api: Api, **body: object) -> Mapping[str, object]:
    answer = api.ask("POST", "/action/preview", body)
    assert answer.status == 200, answer.document
    assert isinstance(answer.result, dict)
    return answer.result


def test_an_action_is_previewed_before_it_is_stored(api: Api) -> None:
    stored = mail_action(api)
    shown = api.get(f"/action/{stored}").result
    assert isinstance(shown, dict)
    does = {**shown["action"], "subject": "only $UNIT$"}
    tagged = {"name": "draft", "action": does, "tags": [{"key": "t", "value": "new"}]}
    by_tag = {**ALLOW, "targets": [["action", "tag.key", "t", "tag.value", "new"]]}

    denied = drafted(api, action=tagged)
    api.ask("POST", "/am", by_tag)
    released = drafted(api, action=tagged, trigger={"data": {"unit": "°C"}})
    edited = drafted(api, action={"name": "tell", "action": does}, id=stored)

    assert (denied["action"], edited["action"]) == (None, stored)
    assert refusal(denied).startswith("no policy lets action")
    assert released["refusals"] == []
    message, untagged = released["message"], edited["released"]
    assert isinstance(message, dict)
    assert message["subject"] == "only °C"
    assert isinstance(untagged, dict)
    assert untagged["allowed"] is False
    assert api.get(f"/action/{stored}").result == shown
    listed = api.get("/action").result
    assert isinstance(listed, list)
    assert len(listed) == 1


def test_what_is_no_action_is_not_previewed(api: Api) -> None:
    good = {"name": "draft", "action": {"type": "email-smtp"}}

    for body in ({}, {"action": good}, {"action": {}, "colour": "red"}):
        assert api.ask("POST", "/action/preview", body).status == 400
    stored = api.get(f"/action/{mail_action(api)}").result
    assert isinstance(stored, dict)
    draft = {"name": "draft", "action": stored["action"]}
    absent = api.ask("POST", "/action/preview", {"action": draft, "id": UNKNOWN})
    assert (absent.status, absent.message) == (404, "Action Not Found")
