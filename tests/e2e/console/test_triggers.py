"""Triggers: what is not settled, the story of one, and what people do with it."""

import pytest

from tests.e2e.api.furnished import SMTP, action_for, secret_of
from tests.e2e.console.conftest import SignIn
from tests.e2e.console.site import Site, Visitor

NO_ACTION = "0" * 24


def publish(site: Site, id_: str, action: str = NO_ACTION) -> str:
    document = {"id": id_, "action": action, "data": {"variable": "t", "value": 9.5}}
    assert site.api.ask("POST", "/triggers", document).status == 202
    return id_


def test_an_empty_list_says_that_nothing_waits(own_site: Site) -> None:
    page = own_site.signed_in().get("/triggers")

    assert "Nothing waits" in page.text


def test_what_waits_is_listed_and_filters_stand_in_the_address(
    site: Site, visitor: Visitor
) -> None:
    publish(site, "listed-1")

    page = visitor.get("/triggers").submit("/triggers", state="waiting")

    assert "state=waiting" in page.path
    assert "listed-1" in page.text
    assert "Nothing matches" in visitor.get("/triggers?state=held").text


def test_a_trigger_is_held_released_and_cancelled(site: Site, visitor: Visitor) -> None:
    publish(site, "steered-1")
    at = "/triggers/steered-1"

    held = visitor.get(at).submit(f"{at}/hold")
    released = held.submit(f"{at}/release")
    cancelled = released.submit(f"{at}/cancel")

    assert "Held until it is released." in held.text
    assert "Released." in released.text
    assert "cancelled" in cancelled.text
    assert not cancelled.has_form(f"{at}/hold")


def test_what_cannot_be_done_any_more_is_said_beside_its_story(
    site: Site, visitor: Visitor
) -> None:
    publish(site, "late-1")
    at = "/triggers/late-1"
    before = visitor.get(at)
    before.submit(f"{at}/cancel")

    page = before.submit(f"{at}/hold")

    assert page.status == 409
    assert "too late" in page.text
    assert "late-1" in page.text


def test_the_story_of_a_trigger_tells_each_attempt_and_its_record(
    site: Site, visitor: Visitor
) -> None:
    publish(site, "told-1")
    site.home.run("worker", "--drain")

    page = visitor.get("/triggers/told-1")

    assert "Attempt 1" in page.text
    assert f"there is no action {NO_ACTION}" in page.text
    assert "/console/dead-letters/told-1" in page.links
    assert any(link.startswith("/console/audit/") for link in page.links)


def test_attempts_are_listed_and_narrowed(site: Site, visitor: Visitor) -> None:
    publish(site, "tried-1")
    site.home.run("worker", "--drain")

    page = visitor.get("/attempts?outcome=rejected&trigger=tried-1")

    assert "/console/triggers/tried-1" in page.links
    assert "Nothing matches" in visitor.get("/attempts?outcome=delivered").text


def test_one_who_only_reads_sees_no_buttons_and_is_refused(
    site: Site, signed_in: SignIn
) -> None:
    publish(site, "read-1")
    reader = signed_in("read")
    page = reader.get("/triggers/read-1")

    refused = reader.post(
        "/triggers/read-1/hold",
        [("form_token", dict(page.form("/sign-out").pairs)["form_token"])],
    )

    assert not page.has_form("/triggers/read-1/hold")
    assert refused.status == 401


@pytest.mark.parametrize("path", ["/triggers/nothing-there", "/triggers?state=odd"])
def test_what_is_not_there_or_no_filter_is_said_in_a_sentence(
    visitor: Visitor, path: str
) -> None:
    page = visitor.get(path)

    assert page.status in {400, 404}
    assert "This was not done" in page.text


def test_what_was_published_stands_beside_the_story_while_it_is_kept(
    site: Site, visitor: Visitor
) -> None:
    publish(site, "kept-1")

    waiting = visitor.get("/triggers/kept-1")
    waiting.submit("/triggers/kept-1/cancel")
    settled = visitor.get("/triggers/kept-1")

    assert '"variable": "t"' in waiting.text
    assert "It is not kept once a trigger is settled." in settled.text


def test_a_denied_attempt_leads_to_what_explains_it(
    site: Site, visitor: Visitor
) -> None:
    secret = site.api.ask("POST", "/secrets", secret_of(SMTP, "explained"))
    action = site.api.ask("POST", "/action", action_for(secret.field("id")))
    publish(site, "denied-1", action.field("action"))
    site.home.run("worker", "--drain")

    page = visitor.get("/triggers/denied-1")

    (link,) = [each for each in page.links if "/access/explain?" in each]
    assert f"action={action.field('action')}" in link
    assert f"secret={secret.field('id')}" in link
    assert visitor.get(link.removeprefix("/console")).status == 200


def test_triggers_are_found_by_the_secret_that_their_action_uses(
    site: Site, visitor: Visitor
) -> None:
    secret = site.api.ask("POST", "/secrets", secret_of(SMTP, "sought")).field("id")
    action = site.api.ask("POST", "/action", action_for(secret)).field("action")
    publish(site, "sought-1", action)
    publish(site, "unsought-1")

    page = visitor.get("/triggers").submit("/triggers", secret=secret)

    assert "/console/triggers/sought-1" in page.links
    assert "/console/triggers/unsought-1" not in page.links
