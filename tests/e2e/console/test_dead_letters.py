"""Dead letters: redriven and dropped, one by one and all that match, as a job."""

import json
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
    assert "/console/dead-letters/many/all/redrive?" not in "".join(page.links)


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
    path = f"/dead-letters/many/all/{act}"

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
    path = "/dead-letters/many/all/redrive"

    page = visitor.get(path).submit(path, rate="fast")

    assert page.status == 400
    assert "number of letters per second" in page.text
    assert ("rate", "fast") in page.form(path).pairs


def test_one_who_only_reads_is_offered_nothing_to_do(
    site: Site, signed_in: SignIn
) -> None:
    bury(site, "seen-1")
    reader = signed_in("read")
    listed, page = reader.get("/dead-letters"), reader.get("/dead-letters/seen-1")

    assert not listed.has_form("/dead-letters/many/chosen/redrive")
    assert 'type="checkbox"' not in listed.html

    assert not page.has_form("/dead-letters/seen-1/redrive")
    assert not page.has_form("/dead-letters/seen-1/drop")


def ended(visitor: Visitor, path: str) -> Page:
    """Return the page of the job at this path, once it is over."""
    assert deadline.met(lambda: "Refresh" not in visitor.get(path).text, PATIENCE)
    return visitor.get(path)


def test_letters_are_grouped_by_reason_with_counts_and_found_by_it(
    site: Site, visitor: Visitor
) -> None:
    action = "c" * 24
    bury(site, "grouped-1", "grouped-2", action=action)

    grouped = visitor.get(f"/dead-letters?action={action}")
    (group,) = [each for each in grouped.links if "reason=there" in each]
    found = visitor.get(f"/dead-letters{group}")

    assert "2 letters, by reason" in grouped.text
    assert "/console/dead-letters/grouped-1" in found.links
    assert "Nothing matches" in visitor.get("/dead-letters?reason=no-such").text


@pytest.mark.parametrize("act", ["redrive", "drop"])
def test_selected_letters_are_confirmed_and_worked_off_and_no_others(
    site: Site, visitor: Visitor, act: str
) -> None:
    ids = [f"selected-{act}-{n}" for n in range(3)]
    bury(site, *ids)
    path = f"/dead-letters/many/chosen/{act}"

    asked = visitor.get(f"{path}?trigger={ids[0]}&trigger={ids[1]}")
    page = ended(visitor, asked.submit(path).path)

    assert f"{act.capitalize()} 2 triggers" in asked.text
    assert "2 of 2" in page.text
    left = visitor.get("/dead-letters").links
    assert [each for each in ids if f"/console/dead-letters/{each}" in left] == ids[2:]


@pytest.mark.parametrize("act", ["redrive", "drop"])
def test_where_none_is_selected_nothing_is_done(
    site: Site, visitor: Visitor, act: str
) -> None:
    bury(site, f"spared-{act}")
    path = f"/dead-letters/many/chosen/{act}"

    asked = visitor.get(path)
    page = asked.submit(path)

    assert "select some rows first" in asked.text
    assert page.status == 400
    assert f"/console/dead-letters/spared-{act}" in visitor.get("/dead-letters").links


def test_a_letter_whose_id_is_a_word_of_the_pages_is_dropped_alone(
    site: Site, visitor: Visitor
) -> None:
    bury(site, "all", "many", "chosen", "bystander")

    for id_ in ("all", "many", "chosen"):
        visitor.get(f"/dead-letters/{id_}").submit(f"/dead-letters/{id_}/drop")

    links = visitor.get("/dead-letters").links
    assert "/console/dead-letters/bystander" in links
    assert "/console/dead-letters/all" not in links


def test_a_slow_redrive_is_offered_with_its_rate(site: Site, visitor: Visitor) -> None:
    action = "d" * 24
    bury(site, "slow-1", action=action)

    listed = visitor.get(f"/dead-letters?action={action}")
    (slowly,) = [each for each in listed.links if "rate=5" in each]
    asked = visitor.get(slowly.removeprefix("/console"))
    page = ended(visitor, asked.submit("/dead-letters/many/all/redrive").path)

    assert "5.0 a second" in page.text


def test_results_are_downloaded_as_lines_of_json(site: Site, visitor: Visitor) -> None:
    action = "e" * 24
    bury(site, "line-1", "line-2", action=action)
    path = "/dead-letters/many/all/drop"
    page = ended(visitor, visitor.get(f"{path}?action={action}").submit(path).path)

    (link,) = [each for each in page.links if each.endswith(".jsonl")]
    sent = visitor.get(link.removeprefix("/console"))

    rows = [json.loads(line) for line in sent.html.splitlines()]
    assert {row["subject"] for row in rows} == {"line-1", "line-2"}
    assert {row["state"] for row in rows} == {"done"}
    assert sent.answer.headers["Content-Disposition"].startswith("attachment")
    nobody = site.visitor().get(link.removeprefix("/console"))
    assert nobody.status == 401
