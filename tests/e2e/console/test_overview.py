"""Overview: what happened, what needs someone, and the first steps."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from tests.e2e.api.furnished import POLICY, SMTP, action_for, secret_of
from tests.e2e.api.test_paused import WORDS, pause
from tests.e2e.console.site import ROOT, Site, Visitor

NO_ACTION = "0" * 24


def chart(visitor: Visitor, name: str) -> Mapping[str, list[float | None]]:
    answer = visitor.client.get(f"{ROOT}/charts/{name}")
    assert answer.status_code == 200
    found = answer.json()
    assert isinstance(found, dict)
    return found


def bury(site: Site, id_: str) -> None:
    document = {"id": id_, "action": NO_ACTION, "data": {"value": 1}}
    assert site.api.ask("POST", "/triggers", document).status == 202
    site.home.run("worker", "--drain")


def test_someone_new_is_led_from_a_secret_to_a_trigger(own_site: Site) -> None:
    visitor, api = own_site.signed_in(), own_site.api
    first = visitor.get("/")
    secret = api.ask("POST", "/secrets", secret_of(SMTP)).field("id")
    action = api.ask("POST", "/action", action_for(secret)).field("action")
    api.ask("POST", "/am", POLICY)

    sent = visitor.get("/").submit("/overview/test", action=action)
    own_site.home.run("worker", "--drain")
    last = visitor.get("/")

    assert "First steps" in first.text
    assert "(done)" not in first.text
    assert {f"{ROOT}{path}/new" for path in ("/secrets", "/access", "/actions")} <= {
        *first.links
    }
    assert not first.has_form("/overview/test")  # there is nothing to try yet
    assert sent.path.startswith("/triggers/")
    assert "First steps" not in last.text
    assert f"{ROOT}/actions/{action}" in last.links  # among the latest attempts


def test_what_needs_someone_is_named_with_its_reason(own_site: Site) -> None:
    visitor, api = own_site.signed_in(), own_site.api
    assert "Needs you" not in visitor.get("/").text
    secret = api.ask("POST", "/secrets", secret_of(SMTP)).field("id")
    soon = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    token = {"name": "leaving", "permission": "read", "expire_time": soon}
    assert api.ask("POST", "/tokens", token).status == 200
    asyncio.run(pause(own_site.home, secret))
    bury(own_site, "lost-1")

    told = visitor.get("/").text
    seen = own_site.signed_in("read").get("/").text

    assert WORDS in told
    assert "1 letter" in told
    assert "Token leaving expires in 2 days" in told
    # Who may not list tokens is not told of them.
    assert WORDS in seen
    assert "leaving" not in seen


def test_the_last_hour_is_counted_and_drawn(own_site: Site) -> None:
    bury(own_site, "drawn-1")
    visitor = own_site.signed_in("read")

    outcomes, durations = chart(visitor, "outcomes"), chart(visitor, "durations")
    page = visitor.get("/")

    assert len(outcomes["minutes"]) == len(outcomes["rejected"]) == 60
    assert sum(each or 0 for each in outcomes["rejected"]) == 1
    assert sum(each or 0 for each in outcomes["delivered"]) == 0
    assert {*durations["p50"], *durations["p99"]} == {None}
    assert "0 delivered, 0 deferred, 0 uncertain, 1 rejected" in page.html


def test_charts_and_tiles_are_for_those_who_are_signed_in(site: Site) -> None:
    visitor = site.visitor()

    for path in ("/charts/outcomes", "/charts/durations", "/overview/tiles", "/live"):
        assert visitor.client.get(f"{ROOT}{path}").status_code == 401


def test_the_installation_is_shown_to_an_operator_alone(site: Site) -> None:
    visitor = site.signed_in()
    before = visitor.get("/")
    token = site.home.run("token", "create", "ops", "--operator").strip()

    added = before.submit("/operator", token=token)

    assert "Hosts of scripts" not in before.text
    assert "Hosts of scripts" in added.text
    assert token not in added.html
    assert "Hosts of scripts" not in site.signed_in().get("/").text


def test_who_may_only_read_sends_no_trigger(site: Site) -> None:
    reader = site.signed_in("read")

    assert not reader.get("/").has_form("/overview/test")
    form = reader.get("/").form("/sign-out")
    pairs = [*form.pairs, ("action", NO_ACTION)]
    assert reader.post("/overview/test", pairs).status == 401
