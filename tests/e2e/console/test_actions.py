"""Actions: listed, made and edited by forms, previewed, tried, and deleted."""

from collections.abc import Mapping, Sequence

import pytest

from tests.e2e.console.conftest import SignIn
from tests.e2e.console.site import Page, Site, Visitor

SMTP = {
    "smtp_server": "mail.example.com",
    "smtp_port": 587,
    "username": "relay",
    "password": "canary-51d0",
}
SQS = {
    "aws_region": "eu-central-1",
    "queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/orders",
    "access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "secret_access_key": f"canary-51d0/{'k' * 28}",
}
MAIL: Mapping[str, str] = {
    "from": "Alerts <alerts@example.com>",
    "to": "ada@example.com",
    "subject": "$VARIABLE$ is $VALUE$",
    "message": "In $UNIT$.",
}


def secret(site: Site, key: str, value: Mapping[str, object] = SMTP) -> str:
    """Return the id of a secret with that key, which is made unless it is there."""
    found = site.api.get(f"/secrets?filter[key]={key}").result
    assert isinstance(found, list)
    if found:
        return str(found[0]["id"])
    tags = [{"key": "use", "value": "mail"}]
    made = site.api.ask("POST", "/secrets", {"key": key, "value": value, "tags": tags})
    return made.field("id")


def document(site: Site, id_: str) -> dict[str, object]:
    """Return the action as the API has it."""
    result = site.api.get(f"/action/{id_}").result
    assert isinstance(result, dict)
    return result


def does(site: Site, id_: str) -> dict[str, object]:
    action = document(site, id_)["action"]
    assert isinstance(action, dict)
    return action


def stored_mail(site: Site, name: str, **more: object) -> str:
    """Make an action over the API, and return its id."""
    action = {"type": "email-smtp", "smtp_secret": secret(site, "mail"), **MAIL}
    made = site.api.ask("POST", "/action", {"name": name, "action": action, **more})
    return made.field("action")


def create(visitor: Visitor, site: Site, name: str, **typed: str) -> Page:
    """Fill in and send the form of a new mail."""
    page = visitor.get("/actions/new?type=email-smtp")
    mail = {f"{field}_" if field == "from" else field: MAIL[field] for field in MAIL}
    filled = {"name": name, "smtp_secret": secret(site, "mail"), **mail, **typed}
    return page.submit("/actions/new", **filled)


def names_of(page: Page) -> Sequence[str]:
    """Return the names that the list shows, in its order."""
    links = page.markup.links
    return [
        words
        for address, words in links
        if len(address.removeprefix("/console/actions/")) == 24
    ]


def field(page: Page, path: str, name: str) -> str:
    """Return what stands in a field of the form for that path."""
    return next(text for each, text in page.form(path).pairs if each == name)


def test_an_empty_list_says_what_actions_are_for_and_offers_one(own_site: Site) -> None:
    page = own_site.signed_in().get("/actions")

    assert "No action yet" in page.text
    assert page.links.count("/console/actions/new") == 2


def test_a_mail_is_made_as_it_was_typed(visitor: Visitor, site: Site) -> None:
    made = create(
        visitor, site, "made", description="For Ada", tag_key="team", tag_value="north"
    )

    assert "Created." in made.text
    stored = document(site, made.last_id)
    assert stored["action"] == {
        "type": "email-smtp",
        "smtp_secret": secret(site, "mail"),
        **MAIL,
    }
    assert stored["description"] == "For Ada"
    assert stored["tags"] == [{"key": "team", "value": "north"}]
    assert "retry" not in stored
    for tab in ("", "/edit", "/try", "/attempts", "/more"):
        page = visitor.get(f"/actions/{made.last_id}{tab}")
        assert page.status == 200
        assert "canary" not in page.html


def test_messages_for_a_queue_are_made_with_their_attributes(
    visitor: Visitor, site: Site
) -> None:
    page = visitor.get("/actions/new?type=queue-sqs")

    made = page.submit(
        "/actions/new",
        name="queued",
        sqs_secret=secret(site, "queue", SQS),
        batch_enabled="on",
        message='{"value": $VALUE$}',
        group_id="$DEVICE$",
        delay_seconds="30",
        attribute_name=["unit", ""],
        attribute_value=["$UNIT$", ""],
        retry_attempts="3",
    )

    assert "Created." in made.text
    assert does(site, made.last_id) == {
        "type": "queue-sqs",
        "sqs_secret": secret(site, "queue", SQS),
        "batch_enabled": True,
        "message": '{"value": $VALUE$}',
        "group_id": "$DEVICE$",
        "delay_seconds": 30,
        "attributes": {"unit": "$UNIT$"},
    }
    assert document(site, made.last_id)["retry"] == {"attempts": 3}


def test_an_action_of_scripts_is_made_with_times_to_run_them(
    visitor: Visitor, site: Site
) -> None:
    analysis = site.api.ask("POST", "/analysis", {"name": "report"}).field("id")
    page = visitor.get("/actions/new?type=script")

    made = page.submit(
        "/actions/new",
        name="on mondays",
        script=[analysis],
        occasion="schedule",
        cron=["0 9 * * MON"],
        timezone=["Europe/Berlin"],
    )

    assert "Created." in made.text
    stored = document(site, made.last_id)
    assert stored["action"] == {"type": "script", "script": [analysis]}
    assert stored["type"] == "schedule"
    assert stored["trigger"] == [{"cron": "0 9 * * MON", "timezone": "Europe/Berlin"}]
    assert "report" in made.text


def test_only_secrets_of_the_type_can_be_chosen(visitor: Visitor, site: Site) -> None:
    mail, queue = secret(site, "mail"), secret(site, "queue", SQS)

    page = visitor.get("/actions/new?type=email-smtp")

    offered = {had.get("value") for tag, had in page.markup.elements if tag == "option"}
    assert mail in offered
    assert queue not in offered


def test_a_form_that_is_refused_keeps_what_was_typed(
    visitor: Visitor, site: Site
) -> None:
    refused = create(visitor, site, "refused", to="nobody", description="kept")

    assert refused.status == 400
    assert 'role="alert"' in refused.html
    assert field(refused, "/actions/new", "to") == "nobody"
    assert field(refused, "/actions/new", "description") == "kept"
    assert field(refused, "/actions/new", "smtp_secret") == secret(site, "mail")


def test_a_preview_is_shown_before_anything_is_saved(
    visitor: Visitor, site: Site
) -> None:
    shown = create(visitor, site, "only previewed", preview="1")
    incomplete = create(visitor, site, "only previewed", to="nobody", preview="1")

    assert (shown.status, incomplete.status) == (200, 200)
    assert "temperature is 21.5" in shown.text
    assert "no policy lets action" in shown.text
    assert "not complete yet" in incomplete.text
    assert names_of(visitor.get("/actions?name=only previewed")) == []


def test_all_placeholders_stand_beside_the_form(visitor: Visitor) -> None:
    page = visitor.get("/actions/new?type=email-smtp")

    for name in ("VALUE", "VARIABLE", "UNIT", "TIME", "LOCATION", "DEVICE"):
        assert f"${name}$" in page.text
    assert "$DEVICE.NAME$" in page.text
    assert "$ACTION.STATE$" in page.text


def test_the_list_is_narrowed_by_name_tag_and_whether_it_is_active(
    visitor: Visitor, site: Site
) -> None:
    room = [{"key": "room", "value": "east"}]
    stored_mail(site, "narrow one", tags=room)
    stored_mail(site, "narrow two", active=False)

    def narrowed(**typed: str) -> Sequence[str]:
        return names_of(visitor.get(f"/actions?{_query(typed)}"))

    assert narrowed(name="narrow*") == ["narrow one", "narrow two"]
    assert narrowed(name="narrow*", active="false") == ["narrow two"]
    assert narrowed(tag="room=east") == ["narrow one"]
    assert "Nothing matches" in visitor.get("/actions?name=nothing").text


def _query(typed: Mapping[str, str]) -> str:
    return "&".join(f"{name}={text}" for name, text in typed.items())


def test_an_edit_keeps_what_the_form_does_not_show(
    visitor: Visitor, site: Site
) -> None:
    conditions = [{"is": ">", "value": "30", "variable": "temperature"}]
    kept = {
        "type": "condition_geofence",
        "trigger": conditions,
        "trigger_when_unlock": True,
        "lock": True,
    }
    id_ = stored_mail(site, "edited", **kept)
    before = document(site, id_)
    path = f"/actions/{id_}/edit"

    saved = visitor.get(path).submit(path, subject="another")

    assert "Saved." in saved.text
    after = document(site, id_)
    assert does(site, id_)["subject"] == "another"
    for changed in ("action", "updated_at"):
        del before[changed], after[changed]
    assert after == before


def test_times_keep_the_fields_that_another_client_gave_them(
    visitor: Visitor, site: Site
) -> None:
    times = [{"interval": "5 minutes", "note": "a"}, {"interval": "1 day", "note": "b"}]
    id_ = stored_mail(site, "timed", type="interval", trigger=times)
    path = f"/actions/{id_}/edit"

    visitor.get(path).submit(path, interval=["1 day", "2 hours"])

    assert document(site, id_)["trigger"] == [
        {"interval": "1 day", "note": "b"},
        {"interval": "2 hours", "note": "b"},
    ]


def test_of_an_edit_meanwhile_both_versions_are_shown_and_none_is_lost(
    visitor: Visitor, site: Site
) -> None:
    id_ = stored_mail(site, "disputed")
    path = f"/actions/{id_}/edit"
    mine = visitor.get(path)
    theirs = {"name": "theirs", "action": {**does(site, id_), "to": "bob@example.com"}}
    site.api.ask("PUT", f"/action/{id_}", theirs)

    refused = mine.submit(path, subject="mine")

    assert refused.status == 412
    assert "It was changed meanwhile, and nothing was saved." in refused.text
    for shown in ("theirs", "disputed", "bob@example.com", "ada@example.com", "mine"):
        assert shown in refused.text
    assert (document(site, id_)["name"], does(site, id_)["to"]) == (
        "theirs",
        "bob@example.com",
    )
    assert field(refused, path, "subject") == "mine"
    saved = refused.submit(path)
    assert "Saved." in saved.text
    assert document(site, id_)["name"] == "disputed"


def test_a_preview_does_not_pass_over_an_edit_meanwhile(
    visitor: Visitor, site: Site
) -> None:
    id_ = stored_mail(site, "previewed meanwhile")
    path = f"/actions/{id_}/edit"
    mine = visitor.get(path)
    site.api.ask("PUT", f"/action/{id_}", {"description": "theirs"})

    previewed = mine.submit(path, subject="mine", preview="1")

    assert previewed.submit(path).status == 412


def test_whether_it_may_use_its_secret_is_told_with_the_policy(
    visitor: Visitor, site: Site
) -> None:
    id_ = stored_mail(site, "may it", tags=[{"key": "may", "value": "it"}])
    missing = f"/console/access/new?action={id_}&secret={secret(site, 'mail')}"
    denied = visitor.get(f"/actions/{id_}")
    releases = {"action": ["access"], "resource": ["secrets"]}
    allow = {
        "name": "mails may be sent",
        "targets": [["action", "tag.key", "may", "tag.value", "it"]],
        "permissions": [{**releases, "effect": "allow"}],
    }
    policy = site.api.ask("POST", "/am", allow).field("am_id")
    allowed = visitor.get(f"/actions/{id_}")
    deny = [{**releases, "effect": "deny"}]
    site.api.ask("POST", "/am", {**allow, "name": "no", "permissions": deny})

    forbidden = visitor.get(f"/actions/{id_}")

    assert missing in denied.links
    assert missing.replace("/new", "/explain") in denied.links
    assert denied.text.count("no policy lets action") == 1
    assert missing not in (*allowed.links, *forbidden.links)
    assert "yes by policy mails may be sent" in allowed.text
    assert f"/console/access/{policy}" in allowed.links


def test_a_trigger_that_is_fired_is_followed(visitor: Visitor, site: Site) -> None:
    id_ = stored_mail(site, "fired")
    path = f"/actions/{id_}/try"

    fired = visitor.get(path).submit(path, variable=["door"], value=["8"], unit=[""])

    assert fired.path.startswith("/triggers/")
    trigger = site.api.get(fired.path).result
    assert isinstance(trigger, dict)
    assert trigger["action"] == id_


def test_a_form_that_is_sent_twice_fires_one_trigger(
    visitor: Visitor, site: Site
) -> None:
    path = f"/actions/{stored_mail(site, 'fired twice')}/try"
    page = visitor.get(path)

    first, second = page.submit(path), page.submit(path)

    assert "This was published already" in second.text
    assert f"/console{first.path}" in second.links
    assert second.submit(path).path != first.path


@pytest.mark.parametrize("data", ["{", "7", '[{"value": {}}]'])
def test_data_points_that_are_none_are_refused_and_kept(
    visitor: Visitor, site: Site, data: str
) -> None:
    path = f"/actions/{stored_mail(site, 'not fired')}/try"
    page = visitor.get(f"{path}?as=json")

    refused = page.submit(path, data=data)

    assert refused.status == 400
    assert field(refused, path, "data") == data
    assert 'role="alert"' in refused.html


def test_what_a_trigger_would_send_is_shown_without_firing_it(
    visitor: Visitor, site: Site
) -> None:
    id_ = stored_mail(site, "tried")
    path = f"/actions/{id_}/try"

    shown = visitor.get(path).submit(
        path, variable=["door"], value=["8"], unit=[""], preview="1"
    )

    assert "door is 8" in shown.text
    assert "The trigger does not say $UNIT$" in shown.text
    assert field(shown, path, "variable") == "door"
    assert document(site, id_)["last_triggered"] == "never"


def test_an_action_is_switched_off_and_locked(visitor: Visitor, site: Site) -> None:
    id_ = stored_mail(site, "switched")
    page, path = visitor.get(f"/actions/{id_}"), f"/actions/{id_}/switch"
    token = [(name, page.form(path).pairs[at][1]) for at, name in _HIDDEN]

    visitor.post(path, [*token, ("active", "off")])
    stale = visitor.post(path, [*token, ("lock", "on")])

    assert (document(site, id_)["active"], stale.status) == (False, 412)
    assert "lock" not in document(site, id_)


_HIDDEN = ((0, "form_token"), (1, "etag"))


def test_an_action_is_deleted_once_its_name_was_typed(
    visitor: Visitor, site: Site
) -> None:
    id_ = stored_mail(site, "deleted action")
    path = f"/actions/{id_}/delete"
    more = visitor.get(f"/actions/{id_}/more")

    unsure = more.submit(path, typed_name="delete")
    kept = site.api.get(f"/action/{id_}").status
    deleted = unsure.submit(path, typed_name="deleted action")

    assert "Type the name" in unsure.text
    assert kept == 200
    assert (deleted.path, "Deleted." in deleted.text) == ("/actions", True)
    assert site.api.get(f"/action/{id_}").status == 404


def test_a_read_token_sees_no_buttons_and_is_refused(
    signed_in: SignIn, site: Site
) -> None:
    id_ = stored_mail(site, "only read")
    one, reader = f"/actions/{id_}", signed_in("read")

    seen = [reader.get(path) for path in ("/actions", one, f"{one}/more")]
    token = ("form_token", dict(seen[0].form("/sign-out").pairs)["form_token"])
    asked = [reader.get(path) for path in ("/actions/new", f"{one}/edit", f"{one}/try")]
    sent = [
        reader.post(f"{one}/{act}", [token, ("typed_name", "only read")])
        for act in ("edit", "switch", "try", "delete")
    ]

    assert [page.status for page in seen] == [200] * 3
    assert "/console/actions/new" not in seen[0].links
    assert f"/console{one}/edit" not in seen[1].links
    assert f"/console{one}/try" not in seen[1].links
    assert "Delete" not in seen[2].text
    assert [page.status for page in (*asked, *sent)] == [401] * 7
    assert document(site, id_)["name"] == "only read"
