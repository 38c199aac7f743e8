"""Explaining: a success that will do nothing says so, and why is told."""

from collections.abc import Mapping

import pytest

from tests.installed.api import Api

TAGS = [{"key": "team", "value": "north"}]
SMTP = {
    "smtp_server": "mail.example.com",
    "smtp_port": 587,
    "username": "u",
    "password": "the-password",
}
POLICY = {
    "name": "alarms",
    "targets": [["action"]],
    "permissions": [{"effect": "allow", "action": ["access"], "resource": ["secrets"]}],
}


def mail(secret: str) -> Mapping[str, object]:
    addresses = {"from": "a@example.com", "to": "b@example.com"}
    texts = {"subject": "warm", "message": "too warm"}
    what = {"type": "email-smtp", **addresses, **texts, "smtp_secret": secret}
    return {"name": "too warm", "action": what}


def test_an_action_whose_secret_no_policy_releases_says_so_until_one_does(
    api: Api,
) -> None:
    document = {"key": "mail", "value": SMTP, "tags": TAGS}
    secret = api.ask("POST", "/secrets", document).field("id")

    made = api.ask("POST", "/action", mail(secret))
    path = f"/action/{made.field('action')}"
    uses = api.get(f"/secrets/{secret}/uses").result
    before = api.get(f"/am/explain?action=too%20warm&secret={secret}").result
    api.ask("POST", "/am", POLICY)
    after = api.get(f"/am/explain?action=too%20warm&secret={secret}").result
    shown = api.get(path)

    assert "its secret is not released to it" in str(made.message)
    assert isinstance(uses, list)
    assert [(use["name"], use["released"]) for use in uses] == [("too warm", False)]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert (before["allowed"], after["allowed"]) == (False, True)
    assert shown.message is None
    assert shown.field("last_triggered") == "never"


def test_whether_an_analysis_may_read_a_secret_is_told_by_its_name(api: Api) -> None:
    document = {"key": "mail", "value": SMTP, "tags": TAGS}
    secret = api.ask("POST", "/secrets", document).field("id")
    analysis = api.ask("POST", "/analysis", {"name": "cold rooms"}).field("id")
    asked = "/am/explain?analysis=cold%20rooms&secret=mail"

    before = api.get(asked).result
    unread = api.get(f"/secrets/{secret}/uses").result
    api.ask("POST", "/am", {**POLICY, "targets": [["analysis"]]})
    after = api.get(asked).result
    uses = api.get(f"/secrets/{secret}/uses").result

    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert (before["allowed"], after["allowed"]) == (False, True)
    assert unread == []
    assert isinstance(uses, list)
    assert [(use["analysis"], use["released"]) for use in uses] == [(analysis, True)]


@pytest.mark.parametrize(
    "query", ["secret=mail", "action=a&analysis=b&secret=mail", "analysis=b"]
)
def test_an_explanation_is_of_one_thing_and_one_secret(
    shared_api: Api, query: str
) -> None:
    answer = shared_api.get(f"/am/explain?{query}")

    assert answer.status == 400


def test_a_policy_about_kinds_that_are_not_here_says_so(api: Api) -> None:
    about = {**POLICY, "targets": [["run_user"]]}

    made = api.ask("POST", "/am", about)

    assert made.status == 200
    assert "run_user" in str(made.message)


def test_an_explanation_of_what_there_is_not_repeats_no_name(shared_api: Api) -> None:
    answer = shared_api.get("/am/explain?action=unheard-of&secret=unheard-of")

    assert answer.status == 404
    assert "unheard" not in str(answer.document)


def test_a_policy_is_previewed_and_not_stored(api: Api) -> None:
    document = {"key": "mail", "value": SMTP, "tags": TAGS}
    secret = api.ask("POST", "/secrets", document).field("id")
    api.ask("POST", "/action", mail(secret))

    found = api.ask("POST", "/am/preview", {**POLICY, "name": ""}).result

    assert isinstance(found, dict)
    assert [each["name"] for each in found["targets"]["first"]] == ["too warm"]
    assert [each["key"] for each in found["released"]["first"]] == ["mail"]
    assert found["withheld"]["count"] == 0
    assert api.get("/am").result == []


def test_what_ends_without_a_policy_is_told(api: Api) -> None:
    document = {"key": "mail", "value": SMTP, "tags": TAGS}
    secret = api.ask("POST", "/secrets", document).field("id")
    api.ask("POST", "/action", mail(secret))
    policy = api.ask("POST", "/am", POLICY).field("am_id")

    found = api.get(f"/am/{policy}/losses").result

    assert isinstance(found, list)
    assert [(each["name"], each["secret"]["key"]) for each in found] == [
        ("too warm", "mail")
    ]


def test_a_list_tells_what_policies_say_only_where_it_is_asked(api: Api) -> None:
    api.ask("POST", "/am", POLICY)

    withheld = api.get("/am?fields=targets&fields=permissions").result
    told = api.get("/am?fields=rules").result

    assert isinstance(withheld, list)
    assert isinstance(told, list)
    assert withheld[0].keys() == {"id", "tags", "profile"}
    assert told[0]["rules"]["targets"] == POLICY["targets"]
