"""Dead letters: redriven and dropped, one by one and all that match, as a job."""

from datetime import timedelta

import pytest

from tests.e2e.console.conftest import SignIn
from tests.e2e.console.site import Page, Site, Visitor
from tests.e2e.console.test_triggers import publish
from tests.services import deadline

PATIENCE = timedelta(seconds=30)


def bury(site: Site, *ids: str, action: str = "0" * 24) -> None:
    for id_ in ids:
        publish(site, id_, action)
    site.home.run("worker", "--drain")


def test_an_empty_list_says_that_nothing_was_given_up(own_site: Site) -> None:
    page = own_site.signed_in().get("/dead-letters")

    assert "Nothing was given up" in page.text
    assert "/console/dead-letters/all/redrive?" not in "".join(page.links)


def test_a_letter_tells_why_and_what_was_published(
    site: Site, visitor: Visitor
) -> None:
    bury(site, "why-1")

    listed, page = visitor.get("/dead-letters"), visitor.get("/dead-letters/why-1")

    assert "/console/dead-letters/why-1" in listed.links
    assert "there is no action" in page.text
    assert '"variable": "t"' in page.text


def test_one_letter_is_redriven_and_its_story_goes_on(
    site: Site, visitor: Visitor
) -> None:
    bury(site, "again-1")

    page = visitor.get("/dead-letters/again-1").submit("/dead-letters/again-1/redrive")

    assert page.path == "/triggers/again-1"
    assert "Put into the queue again." in page.text


def test_one_letter_is_dropped(site: Site, visitor: Visitor) -> None:
    bury(site, "gone-1")

    page = visitor.get("/dead-letters/gone-1").submit("/dead-letters/gone-1/drop")

    assert page.path == "/dead-letters"
    assert "/console/dead-letters/gone-1" not in page.links


@pytest.mark.parametrize(("act", "word"), [("redrive", "Redrive"), ("drop", "Drop")])
def test_all_that_match_are_worked_off_as_a_job_with_a_result_each(
    site: Site, visitor: Visitor, act: str, word: str
) -> None:
    action = {"redrive": "a", "drop": "b"}[act] * 24
    bury(site, f"{act}-1", f"{act}-2", action=action)
    path = f"/dead-letters/all/{act}"

    asked = visitor.get(f"{path}?action={action}")
    begun = asked.submit(path)

    assert f"{word} 2 triggers" in asked.text
    assert begun.path.startswith("/jobs/")
    page = ended(visitor, begun.path)
    assert "2 of 2" in page.text
    assert {f"/console/triggers/{act}-1", f"/console/triggers/{act}-2"} <= {*page.links}


def test_a_rate_that_is_no_number_is_refused_in_a_sentence(
    site: Site, visitor: Visitor
) -> None:
    bury(site, "rated-1")
    path = "/dead-letters/all/redrive"

    page = visitor.get(path).submit(path, rate="fast")

    assert page.status == 400
    assert "number of letters per second" in page.text


def test_one_who_only_reads_is_offered_nothing_to_do(
    site: Site, signed_in: SignIn
) -> None:
    bury(site, "seen-1")
    page = signed_in("read").get("/dead-letters/seen-1")

    assert not page.has_form("/dead-letters/seen-1/redrive")
    assert not page.has_form("/dead-letters/seen-1/drop")


def ended(visitor: Visitor, path: str) -> Page:
    """Return the page of the job at this path, once it is over."""
    assert deadline.met(lambda: "Refresh" not in visitor.get(path).text, PATIENCE)
    return visitor.get(path)
