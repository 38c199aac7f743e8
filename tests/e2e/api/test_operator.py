"""What an operator's token is told: facts of the whole installation, and metrics."""

import json
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from keyrelay import __version__
from tests.e2e.api.conftest import Founded
from tests.installed.api import Api, answering
from tests.installed.home import Home
from tests.services import deadline
from tests.services.loopback import free_port

SOON = timedelta(seconds=10)
UNKNOWN = "0" * 24
CANARY = "canary-9d1e"
MAIL = {
    "smtp_server": "mail.example.com",
    "smtp_port": 587,
    "username": CANARY,
    "password": CANARY,
}

Samples = Mapping[tuple[str, tuple[str, ...]], float]


@pytest.fixture(scope="module")
def home(founded: Founded, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Two profiles, with a secret, and a trigger of each that waits."""
    home = founded.copied(tmp_path_factory.mktemp("operated") / "home").home
    home.run("init", "--profile", "north", "--no-token")
    north = home.under({"KEYRELAY_PROFILE": "north"})
    north.create_secret(CANARY, "smtp", MAIL)
    publish(home, "t1")
    publish(north, "t2", "held")
    north.run("trigger", "hold", "held")
    return home


def publish(home: Home, *ids: str) -> None:
    lines = [json.dumps({"id": id_, "action": UNKNOWN}) for id_ in ids]
    home.run("trigger", "publish", "--file", "-", given="\n".join(lines))


@pytest.fixture(scope="module")
def operator(home: Home) -> str:
    return home.run("token", "create", "ops", "--operator").strip()


@pytest.fixture(scope="module")
def running(home: Home, operator: str) -> Iterator[Api]:
    with answering(home) as api:
        yield api.with_token(operator)


def facts(api: Api) -> Mapping[str, object]:
    result = api.get("/installation").result
    assert isinstance(result, dict)
    return result


def part(found: Mapping[str, object], name: str) -> Mapping[str, object]:
    held = found[name]
    assert isinstance(held, dict)
    return held


def scraped(api: Api) -> Samples:
    answer = api.client.get("/metrics", headers={"token": api.token or ""})
    assert answer.status_code == 200
    return samples(answer.text)


def samples(text: str) -> Samples:
    return {
        (each.name, tuple(each.labels.values())): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


# --- /installation


def test_what_waits_is_counted_over_all_profiles(running: Api) -> None:
    queue = part(facts(running), "queue")

    age = queue["oldest_age_seconds"]
    assert isinstance(age, float)
    assert age > 0
    assert (queue["waiting"], queue["held"], queue["topics"]) == (3, 1, [])


def test_keys_are_told_by_their_ids_and_ages(running: Api, home: Home) -> None:
    vault = part(facts(running), "vault")

    assert (vault["sealed"], vault["reason"]) == (False, None)
    status = home.read("key", "status")
    assert isinstance(status, dict)
    assert vault["keys"] == status["keys"]


def test_the_process_says_its_version_and_since_when_it_runs(running: Api) -> None:
    first, second = (part(facts(running), "process") for _ in range(2))

    assert (first["version"], first["not_ready"]) == (__version__, {})
    assert first["started_at"] == second["started_at"]
    assert isinstance(first["uptime_seconds"], float)
    assert isinstance(second["uptime_seconds"], float)
    assert 0 < first["uptime_seconds"] < second["uptime_seconds"]


def test_the_disk_and_the_files_on_it_are_measured(running: Api, home: Home) -> None:
    disk = part(facts(running), "disk")

    sizes = [each for each in disk.values() if isinstance(each, int)]
    assert len(sizes) == len(disk)
    assert min(sizes) > 0
    file = (home.path / "keyrelay.db").stat().st_size
    assert isinstance(disk["database_bytes"], int)
    assert disk["database_bytes"] >= file


def test_a_trail_that_was_never_verified_is_not_said_to_be_sound(
    founded: Founded, running: Api
) -> None:
    before = part(facts(running), "audit")
    started = running.ask("POST", "/audit/verify", {})

    def verified() -> Mapping[str, object] | None:
        found = part(facts(running), "audit")["verified"]
        assert found is None or isinstance(found, dict)
        return found

    assert started.status == 202
    assert before["verified"] is None
    assert isinstance(before["chains"], int)
    assert before["chains"] > 0
    assert deadline.met(lambda: verified() is not None, SOON)
    found = verified()
    assert found is not None
    assert (found["sound"], found["findings"]) == (True, 0)


def test_a_worker_is_told_while_it_is_alive(founded: Founded, tmp_path: Path) -> None:
    home = founded.copied(tmp_path / "home").home
    operator = home.run("token", "create", "ops", "--operator").strip()
    with answering(home) as plain:
        api = plain.with_token(operator)
        before = workers(api)
        with home.under({"KEYRELAY_PROBES": "off"}).running("worker") as worker:
            worker.await_said("worker started")
            (alive,) = workers(api)
            worker.send(signal.SIGTERM)
            worker.end()
        after = workers(api)

    assert before == after == []
    assert alive.keys() == {"id", "host", "since"}


def workers(api: Api) -> Sequence[Mapping[str, object]]:
    found = facts(api)["workers"]
    assert isinstance(found, list)
    return found


def test_nothing_of_a_profile_stands_in_it(running: Api, home: Home) -> None:
    secret = home.under({"KEYRELAY_PROFILE": "north"}).read("secret", "list")
    assert isinstance(secret, list)

    told = json.dumps(facts(running)) + running.client.get(
        "/metrics", headers={"token": running.token or ""}
    ).text.replace("keyrelay_", "")

    for word in (CANARY, "north", UNKNOWN, secret[0]["id"], "KEYRELAY-KEY"):
        assert word not in told


def test_it_takes_no_parameters(running: Api) -> None:
    assert running.get("/installation?profile=north").status == 400


# --- /metrics


def test_requests_stand_under_their_route_and_never_under_their_path(
    running: Api, founded: Founded
) -> None:
    full = running.with_token(founded.token)
    before = scraped(running)
    for number in range(3):
        full.get(f"/secrets/{number:024}")
    full.get("/no/such/route")
    full.ask("PATCH", "/secrets", {})
    full.client.get("/healthz")

    after = scraped(running)

    def more(*labels: str) -> float:
        key = ("keyrelay_api_requests_total", labels)
        return after[key] - before[key]

    assert more("GET", "/secrets/{id}", "4xx") == 3
    assert more("none", "none", "4xx") == 2
    assert more("GET", "/healthz", "2xx") == 1
    assert more("GET", "/metrics", "2xx") == 1
    timed = ("keyrelay_api_request_seconds_count", ("GET", "/secrets/{id}"))
    assert after[timed] - before[timed] == 3
    assert not re.search("000000000", "".join(str(key) for key in after))


def test_an_event_stream_is_counted_while_it_is_open(
    running: Api, founded: Founded
) -> None:
    def open_now() -> float:
        return scraped(running)["keyrelay_api_event_streams", ()]

    token = {"token": founded.token}
    with (
        httpx.Client(base_url=running.url, trust_env=False) as client,
        client.stream("GET", "/events?channel=attempts", headers=token) as stream,
    ):
        assert stream.status_code == 200
        assert deadline.met(lambda: open_now() == 1, SOON)
    assert deadline.met(lambda: open_now() == 0, SOON)


def test_wrong_tokens_are_counted_by_how_they_were_answered(
    home: Home, operator: str
) -> None:
    with answering(home) as api:
        for number in range(12):
            api.with_token(f"p-{number:036}").get("/info")
        found = scraped(api.with_token(operator))

    name = "keyrelay_api_wrong_tokens_total"
    assert (found[name, ("denied",)], found[name, ("limited",)]) == (10, 2)


def test_what_the_border_refuses_is_counted_by_its_reason(running: Api) -> None:
    before = scraped(running)
    with httpx.Client(base_url=running.url, trust_env=False) as client:
        compressed = {"content-encoding": "gzip"}
        client.post("/triggers", content=b"x", headers=compressed)
        client.get("/x", headers={"x": "y" * 40_000})

    after = scraped(running)

    changed = {
        labels[0]: count - before[name, labels]
        for (name, labels), count in after.items()
        if name == "keyrelay_api_refused_total" and count != before[name, labels]
    }
    assert changed == {"compressed": 1, "head_too_large": 1}


def test_the_installations_gauges_are_those_of_all_profiles(running: Api) -> None:
    found = scraped(running)

    prefix = "keyrelay_installation_"
    assert found[f"{prefix}waiting", ()] == 3
    assert found[f"{prefix}held", ()] == 1
    assert found[f"{prefix}oldest_age_seconds", ()] > 0
    assert found[f"{prefix}secrets_paused", ("refused",)] == 0
    assert found["keyrelay_api_part_ready", ("vault",)] == 1


def test_an_api_alone_answers_its_probes_in_detail(home: Home) -> None:
    place = f"127.0.0.1:{free_port()}"
    with answering(home.under({"KEYRELAY_PROBES": place})) as api:
        api.command.await_said("probes are answered")
        ready = httpx.get(f"http://{place}/readyz", trust_env=False)
        metrics = httpx.get(f"http://{place}/metrics", trust_env=False)

    parts = dict.fromkeys(("api", "vault", "definitions", "database", "queue"), "ready")
    assert ready.json() == {"ready": True, "parts": parts}
    assert ("keyrelay_api_wrong_tokens_total", ("denied",)) in samples(metrics.text)
