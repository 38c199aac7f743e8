"""Jobs: dead letters redriven or dropped over the API, and the trail verified."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from tests.e2e.api.conftest import Founded
from tests.e2e.api.furnished import SMTP, action_for, secret_of
from tests.installed.api import Answer, Api, answering, token_of
from tests.installed.home import Home
from tests.services import deadline

WITHIN = timedelta(seconds=20)
UNKNOWN = "0" * 24


def bury(home: Home, count: int) -> None:
    """Bury triggers of an action that there is not."""
    lines = [json.dumps({"id": f"t{n}", "action": UNKNOWN}) for n in range(count)]
    home.run("trigger", "publish", "--file", "-", given="\n".join(lines))
    home.run("worker", "--drain")


def ended(api: Api, started: Answer) -> Mapping[str, object]:
    """Return the job, once it is over."""
    path = f"/jobs/{started.field('id')}"
    over = {"done", "failed", "cancelled"}
    assert deadline.met(lambda: api.get(path).field("state") in over, WITHIN)
    job = api.get(path).result
    assert isinstance(job, dict)
    return job


def test_all_letters_that_match_are_dropped_by_a_job_with_a_result_for_each(
    home: Home,
) -> None:
    bury(home, 5)
    with answering(home) as running:
        api = running.with_token(token_of(home, "write"))
        first = api.get("/dead-letters?amount=3").result
        assert isinstance(first, dict)
        rest = api.get(f"/dead-letters?amount=3&after={first['next']}").result
        assert isinstance(rest, dict)

        started = api.ask("POST", "/dead-letters/drop", {"fault": "definition"})
        job = ended(api, started)
        results = api.get(f"/jobs/{job['id']}/results").result

    assert started.status == 202
    listed = [*first["dead_letters"], *rest["dead_letters"]]
    assert {each["trigger"] for each in listed} == {f"t{n}" for n in range(5)}
    assert (job["state"], job["total"], job["done"]) == ("done", 5, 5)
    assert isinstance(results, dict)
    assert [row["state"] for row in results["results"]] == ["done"] * 5
    assert home.read("dead-letter", "list") == []


def test_the_trail_is_verified_by_a_job(home: Home) -> None:
    with answering(home) as running:
        api = running.with_token(token_of(home, "write"))
        job = ended(api, api.ask("POST", "/audit/verify", {}))

    assert (job["state"], job["sound"]) == ("done", True)


def test_a_choice_of_letters_that_makes_no_sense_is_refused(api: Api) -> None:
    for document in ({"rate": "fast"}, {"fault": "nobody"}, {"trigger": "t1"}):
        assert api.ask("POST", "/dead-letters/redrive", document).status == 400


def test_attempts_and_records_are_listed_newest_first(home: Home) -> None:
    bury(home, 3)
    with answering(home) as running:
        api = running.with_token(token_of(home, "read"))
        page = api.get("/attempts?amount=2").result
        assert isinstance(page, dict)
        last = api.get(f"/attempts?amount=2&after={page['next']}").result
        records = api.get("/audit?kind=attempt&amount=2").result
        assert isinstance(records, dict)
        rest = api.get(f"/audit?kind=attempt&after={records['next']}").result
        wrong = api.get("/audit?after=MQ")

    assert isinstance(last, dict)
    assert isinstance(rest, dict)
    assert (rest["next"], wrong.status) == (None, 400)
    recorded = [*records["records"], *rest["records"]]
    attempts = [*page["attempts"], *last["attempts"]]
    assert len({each["id"] for each in attempts}) == 3
    assert {each["outcome"] for each in attempts} == {"rejected"}
    assert {each["id"] for each in attempts} == {e["id"] for e in recorded}


def test_attempts_in_detail_have_their_records_and_names(
    shared: Founded, shared_api: Api
) -> None:
    secret = shared_api.ask("POST", "/secrets", secret_of(SMTP, "detailed")).field("id")
    action = shared_api.ask("POST", "/action", action_for(secret)).field("action")
    shared_api.ask("POST", "/triggers", {"id": "detailed", "action": action})
    shared.home.run("worker", "--drain")

    [attempt] = listed(shared_api, "trigger=detailed&details=true")
    plain = listed(shared_api, "trigger=detailed")

    assert (attempt["action_name"], attempt["secret_key"]) == ("alarm", "detailed")
    assert attempt["record"]["attempt"] == 1
    assert attempt["record"]["reason"].startswith("no policy")
    assert [{name: attempt[name] for name in plain[0]}] == plain
    assert shared_api.get("/attempts?details=false").status == 400


def test_attempts_are_counted_by_minute_and_outcome(home: Home) -> None:
    bury(home, 3)
    with answering(home) as running:
        api = running.with_token(token_of(home, "read"))
        counted = api.get("/attempts/counts").result
        before = api.get("/attempts/counts?until=2020-01-01T00:00:00Z").result
        other = api.get("/attempts/counts?action=other").result
        long = api.get("/attempts/counts?since=2020-01-01T00:00:00Z")

    assert isinstance(counted, list)
    assert sum(each["count"] for each in counted) == 3
    assert {each["outcome"] for each in counted} == {"rejected"}
    assert (before, other, long.status) == ([], [], 400)


def listed(api: Api, query: str) -> Sequence[dict[str, Any]]:
    result = api.get(f"/attempts?{query}").result
    assert isinstance(result, dict)
    return [*result["attempts"]]
