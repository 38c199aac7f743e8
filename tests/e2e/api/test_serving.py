"""Serving: started and stopped in order, alone and beside a worker."""

import signal
from datetime import timedelta

import httpx

from tests.installed.api import answering, token_of
from tests.installed.home import Home
from tests.services import deadline

SECOND = timedelta(seconds=1)


def test_up_serves_the_api_beside_the_worker_and_one_signal_ends_both(
    home: Home,
) -> None:
    token = token_of(home, "read")
    with answering(home, "up") as api:
        api.command.await_said("worker started")
        answer = api.with_token(token).get("/secrets")
        api.command.send(signal.SIGINT)
        code = api.command.end()

    assert (answer.status, answer.result) == (200, [])
    assert code == 0
    assert api.command.count("worker stopped") == 1


def test_with_the_api_off_up_works_without_it(home: Home) -> None:
    off = home.under({"KEYRELAY_API": "off", "KEYRELAY_PROBES": "off"})
    with off.running("up") as command:
        command.await_said("worker started")
        command.send(signal.SIGTERM)
        code = command.end()

    assert code == 0
    assert command.count("api started") == 0


def test_an_address_that_is_taken_is_told_in_one_sentence(home: Home) -> None:
    with answering(home) as api:
        taken = api.url.removeprefix("http://")
        ended = home.under({"KEYRELAY_API": taken}).attempt("api")

    assert ended.code == 3
    assert "KEYRELAY_API" in ended.err
    assert ended.err.count("\n") == 1


def test_a_token_counts_and_is_revoked_in_each_process_within_a_second(
    home: Home,
) -> None:
    with answering(home) as one, answering(home) as other:
        full = one.with_token(token_of(home, "full"))
        made = full.ask("POST", "/tokens", {"name": "second"})
        second = other.with_token(made.field("token"))
        assert deadline.met(lambda: second.get("/info").status == 200, SECOND)

        full.ask("DELETE", f"/tokens/{made.field('id')}")

        assert deadline.met(lambda: second.get("/info").status == 401, SECOND)


def test_health_and_readiness_say_yes_or_no_and_nothing_else(home: Home) -> None:
    with answering(home) as api:
        alive, ready = (
            httpx.get(f"{api.url}/{name}") for name in ("healthz", "readyz")
        )

    assert (alive.status_code, ready.status_code) == (200, 200)
    assert alive.json() == ready.json() == {"status": True, "result": "yes"}


def test_the_document_of_all_routes_and_its_page_need_no_token(home: Home) -> None:
    with answering(home) as api:
        document = httpx.get(f"{api.url}/openapi.json")
        page = httpx.get(f"{api.url}/reference")

    assert document.json()["openapi"] == "3.1.0"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "/secrets/{id}" in page.text
    assert "http" not in page.text.replace(api.url, "")
