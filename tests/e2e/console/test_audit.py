"""Audit: records listed, opened, verified and exported; nothing deletes one."""

import json
from datetime import timedelta

from tests.e2e.console.conftest import SignIn
from tests.e2e.console.site import ROOT, Site, Visitor
from tests.services import deadline

WITHIN = timedelta(seconds=20)


def make_secrets(site: Site, *keys: str) -> None:
    for key in keys:
        tags = [{"key": "env", "value": "test"}]
        body = {"key": key, "value": "canary-41", "tags": tags}
        site.api.ask("POST", "/secrets", body)


def test_a_record_says_who_did_what_from_where(visitor: Visitor, site: Site) -> None:
    make_secrets(site, "recorded")

    page = visitor.get("/audit?kind=change")

    assert "created secret" in page.text
    assert "recorded" in page.text
    assert "127.0.0.1" in page.text
    assert "canary-41" not in page.html


def test_a_record_opens_to_its_whole_content_and_its_place(
    visitor: Visitor, site: Site
) -> None:
    make_secrets(site, "opened")
    records = site.api.get("/audit?amount=1").result
    assert isinstance(records, dict)
    id_ = records["records"][0]["id"]

    page = visitor.get(f"/audit/{id_}")

    assert f'"id": "{id_}"' in page.text
    assert "Number" in page.text
    assert "Chain" in page.text


def test_filters_stand_in_the_address_and_a_day_is_its_first_instant(
    visitor: Visitor,
) -> None:
    page = visitor.get("/audit").submit("/audit", kind="change", since="2020-01-01")
    none = visitor.get("/audit?since=2999-01-01")

    assert page.status == 200
    assert ("since", "2020-01-01") in page.form("/audit").pairs
    assert "Nothing matches" in none.text


def test_a_filter_that_is_none_is_refused_with_a_sentence(visitor: Visitor) -> None:
    refused = visitor.get("/audit?kind=gossip")

    assert refused.status == 400
    assert "kind must be one of" in refused.text


def test_the_export_has_every_record_once_newest_first(
    own_site: Site,
) -> None:
    make_secrets(own_site, *(f"many-{number:03}" for number in range(520)))
    visitor = own_site.signed_in()

    answer = visitor.client.get(f"{ROOT}/audit/export?kind=change")

    records = [json.loads(line) for line in answer.text.splitlines()]
    created = [each["subject"] for each in records if each["noun"] == "secret"]
    assert len(created) == len({*created}) == 520
    assert [each["at"] for each in records] == sorted(
        (each["at"] for each in records), reverse=True
    )
    assert "attachment" in answer.headers["Content-Disposition"]


def test_a_verification_is_started_and_its_result_is_said_in_words(
    own_site: Site,
) -> None:
    visitor = own_site.signed_in()
    before = visitor.get("/audit/verify")

    begun = before.submit("/audit/verify")

    assert "Not verified within a week" in before.text
    assert "Started." in begun.text
    assert deadline.met(
        lambda: "The audit trail is whole" in visitor.get("/audit/verify").text, WITHIN
    )


def test_a_token_that_may_read_sees_the_result_and_starts_none(
    signed_in: SignIn,
) -> None:
    reader = signed_in("read")

    assert not reader.get("/audit/verify").has_form("/audit/verify")
    assert reader.get("/audit").status == 200


def test_no_page_of_the_audit_has_a_form_that_changes_a_record(
    visitor: Visitor,
) -> None:
    forms = visitor.get("/audit").markup.forms

    posting = {form.action for form in forms if form.method == "post"}
    assert posting <= {"/console/theme", "/console/sign-out", "/console/operator"}
