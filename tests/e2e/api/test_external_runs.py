"""External runs: each is handed to one script that listens, with all that it needs."""

import base64
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.e2e.api.conftest import Founded
from tests.installed.api import Api, answering
from tests.installed.events import Stream
from tests.installed.external import (
    ALLOW,
    External,
    listening,
    new_analysis,
    new_secret,
    run,
    shown,
)
from tests.services import deadline

SCOPE = [{"variable": "temperature", "value": 9.5}]
CANARY = "canary-7f3a9c is no password"
SECOND = timedelta(seconds=1)
PATIENCE = 20 * SECOND
DENIED = {"status": False, "message": "Authorization Denied"}


def runs_of(*streams: Stream) -> list[object]:
    """Return the ids of the next runs that are handed over these streams."""
    return [each.next().payload["run_id"] for each in streams]


def ended(api: Api, analysis: External, id_: str) -> dict[str, object]:
    """Wait until a run is over, and return it."""

    def is_over() -> bool:
        return shown(api, analysis, id_)["state"] in ("done", "failed")

    assert deadline.met(is_over, PATIENCE), shown(api, analysis, id_)
    return shown(api, analysis, id_)


def opened(
    api: Api, token: object, channels: str = "analysis_trigger"
) -> httpx.Response:
    """Ask for a stream that is refused."""
    query = {"channels": channels, "token": str(token)}
    return httpx.get(f"{api.url}/events", params=query, trust_env=False)


@pytest.mark.parametrize("named", ["channel", "channels"])
def test_a_run_is_handed_over_with_its_secrets_and_its_scope(
    api: Api, named: str
) -> None:
    variables = [{"key": "zone", "value": "cold"}, {"key": "b_key", "value": 7}]
    analysis = new_analysis(api, "cooling", variables=variables)
    new_secret(api, "b_key", "it is replaced")
    new_secret(api, "a_key", "hunter2 is no password")
    api.ask("POST", "/am", ALLOW)

    with listening(api, analysis, named) as stream:
        id_ = run(api, analysis, SCOPE)
        payload = stream.next().payload
        assert stream.comment() == ": keep-alive"

    assert payload["analysis_id"] == analysis.id
    assert payload["run_id"] == id_
    assert payload["data"] == SCOPE
    assert payload["environment"] == [
        {"key": "a_key", "value": "hunter2 is no password"},
        {"key": "zone", "value": "cold"},
        {"key": "b_key", "value": 7},
    ]
    assert str(payload["token"]).startswith("a-")
    assert payload["token"] != analysis.token
    done = ended(api, analysis, id_)
    assert done["state"] == "done"
    assert "handed to a listener at 127.0.0.1, connected for" in str(done["result"])


def test_each_release_is_on_record_with_the_address_it_went_to(api: Api) -> None:
    analysis = new_analysis(api, "recorded")
    new_secret(api, "a_key", "hunter2 is no password")
    api.ask("POST", "/am", ALLOW)

    with listening(api, analysis) as stream:
        id_ = run(api, analysis)
        assert runs_of(stream) == [id_]
    found = api.get(f"/audit?kind=release&analysis={analysis.id}").result
    assert isinstance(found, dict)
    (record,) = found["records"]

    assert record["run"] == id_
    assert (record["place"], record["address"]) == ("external", "127.0.0.1")
    assert "hunter2" not in str(record)


def test_a_run_token_sends_lines_after_its_run_was_handed_over(api: Api) -> None:
    analysis = new_analysis(api, "talking")
    with listening(api, analysis) as stream:
        id_ = run(api, analysis)
        token = str(stream.next().payload["token"])
    ended(api, analysis, id_)

    path = "/analysis/services/console/send"
    sent = api.with_token(token).ask("POST", path, {"message": "it is cold"})

    assert sent.status == 200
    info = api.get(f"/analysis/{analysis.id}").result
    assert isinstance(info, dict)
    assert "it is cold" in str(info["console"])


def test_the_least_recently_used_listener_gets_the_next_run(api: Api) -> None:
    analysis = new_analysis(api, "turns")
    with (
        listening(api, analysis) as first,
        listening(api, analysis) as second,
        listening(api, analysis) as third,
    ):
        for _ in range(2):
            for stream in (first, second, third):
                id_ = run(api, analysis)
                assert runs_of(stream) == [id_]


def test_runs_of_another_analysis_or_profile_go_elsewhere(api: Api) -> None:
    one, other = new_analysis(api, "one"), new_analysis(api, "other")
    with listening(api, one) as stream, listening(api, other) as others:
        theirs, mine = run(api, other), run(api, one)

        assert runs_of(stream) == [mine]
        assert runs_of(others) == [theirs]


def test_a_run_waits_until_someone_listens(api: Api) -> None:
    analysis = new_analysis(api, "later")
    id_ = run(api, analysis)
    with listening(api, new_analysis(api, "meanwhile")) as other:
        assert other.comment() == ": keep-alive"
    assert (
        shown(api, analysis, id_)["state"],
        shown(api, analysis, id_)["attempts"],
    ) == (
        "waiting",
        0,
    )

    with listening(api, analysis) as stream:
        assert runs_of(stream) == [id_]


def test_a_run_asked_for_at_one_process_reaches_a_listener_of_another(
    founded: Founded, tmp_path: Path
) -> None:
    own = founded.copied(tmp_path / "two")
    with answering(own.home) as one, answering(own.home) as other:
        api, there = one.with_token(own.token), other.with_token(own.token)
        analysis = new_analysis(api, "elsewhere")
        with listening(there, analysis) as stream:
            id_ = run(api, analysis)

            assert runs_of(stream) == [id_]


def test_only_the_main_token_of_an_analysis_opens_the_stream(api: Api) -> None:
    analysis = new_analysis(api, "main")
    with listening(api, analysis) as stream:
        run(api, analysis)
        own = stream.next().payload["token"]

        for token in (api.token, own, "a-unknown", f"{analysis.token}x"):
            answer = opened(api, token)
            assert (answer.status_code, answer.json()) == (401, DENIED)
    # And it opens no other.
    for channels in ("attempts", "secrets", f"analysis_console.{analysis.id}"):
        answer = opened(api, analysis.token, channels)
        assert (answer.status_code, answer.json()) == (401, DENIED)


def test_one_stream_is_for_runs_or_for_events(api: Api) -> None:
    analysis = new_analysis(api, "mixed")

    answer = opened(api, analysis.token, "analysis_trigger,attempts")

    assert answer.status_code == 400
    assert "name it alone" in answer.json()["message"]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"active": False}, "is inactive"),
        ({"run_on": "tago"}, "does not run elsewhere"),
    ],
)
def test_an_analysis_that_is_not_run_elsewhere_is_told_so(
    api: Api, edit: dict[str, object], said: str
) -> None:
    analysis = new_analysis(api, "refused")
    api.ask("PUT", f"/analysis/{analysis.id}", edit)
    info = api.get(f"/analysis/{analysis.id}").field("token")

    answer = opened(api, info)

    assert answer.status_code == 400
    assert said in answer.json()["message"]


def renew(api: Api, analysis: External) -> None:
    api.ask("PUT", f"/analysis/{analysis.id}", {"run_on": "tago"})
    api.ask("PUT", f"/analysis/{analysis.id}", {"run_on": "external"})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            lambda api, one: api.ask("PUT", f"/analysis/{one.id}", {"active": False}),
            id="inactive",
        ),
        pytest.param(
            lambda api, one: api.ask("PUT", f"/analysis/{one.id}", {"run_on": "tago"}),
            id="hosted",
        ),
        pytest.param(renew, id="renewed"),
        pytest.param(
            lambda api, one: api.ask("DELETE", f"/analysis/{one.id}"), id="deleted"
        ),
    ],
)
def test_a_stream_ends_within_a_second_once_its_token_may_not_listen(
    api: Api, change: Callable[[Api, External], object]
) -> None:
    analysis = new_analysis(api, "ending")
    with listening(api, analysis) as stream:
        change(api, analysis)
        changed = time.monotonic()
        assert stream.rest() == []
        took = timedelta(seconds=time.monotonic() - changed)

    assert took < SECOND


def test_the_token_that_was_renewed_is_denied(api: Api) -> None:
    analysis = new_analysis(api, "renewed")
    renew(api, analysis)

    assert opened(api, analysis.token).status_code == 401


def test_what_asks_for_the_head_alone_is_handed_nothing(api: Api) -> None:
    analysis = new_analysis(api, "head")
    query = {"channels": "analysis_trigger", "token": analysis.token}
    id_ = run(api, analysis)

    for _ in range(5):
        httpx.head(f"{api.url}/events", params=query, trust_env=False)
    with listening(api, analysis) as stream:
        assert runs_of(stream) == [id_]


def test_a_listener_that_is_gone_is_handed_nothing(api: Api) -> None:
    analysis = new_analysis(api, "gone")
    with listening(api, analysis):
        pass
    id_ = run(api, analysis)

    with listening(api, analysis) as stream:
        assert runs_of(stream) == [id_]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_run_goes_to_a_machine_elsewhere_in_clear(
    founded: Founded, tmp_path: Path, scheme: str
) -> None:
    own = founded.copied(tmp_path / "own")
    behind_a_proxy = own.home.under({"KEYRELAY_API_TRUSTED_PROXIES": "127.0.0.1/32"})
    forwarded = {"x-forwarded-for": "192.0.2.7", "x-forwarded-proto": scheme}
    with answering(behind_a_proxy) as running:
        api = running.with_token(own.token)
        analysis = new_analysis(api, "far away")
        with listening(api, analysis, headers=forwarded) as stream:
            id_ = run(api, analysis)
            over = ended(api, analysis, id_)
            if scheme == "https":
                assert runs_of(stream) == [id_]

    if scheme == "https":
        assert "handed to a listener at 192.0.2.7" in str(over["result"])
    else:
        assert over["state"] == "failed"
        assert "connected in clear" in str(over["result"])


def test_one_process_with_everything_hands_out_runs(
    founded: Founded, tmp_path: Path
) -> None:
    own = founded.copied(tmp_path / "own")
    with answering(own.home, "up") as running:
        api = running.with_token(own.token)
        analysis = new_analysis(api, "up")
        with listening(api, analysis) as stream:
            id_ = run(api, analysis)
            assert runs_of(stream) == [id_]
            assert ended(api, analysis, id_)["state"] == "done"


def test_a_stop_ends_streams_at_once_and_what_is_asked_for_then_waits(
    founded: Founded, tmp_path: Path
) -> None:
    own = founded.copied(tmp_path / "own")
    with answering(own.home) as running:
        analysis = new_analysis(running.with_token(own.token), "stopped")
        with listening(running, analysis) as stream:
            running.command.send(signal.SIGTERM)
            assert stream.rest() == []
        assert running.command.end() == 0


def test_a_process_without_external_runs_says_so(
    founded: Founded, tmp_path: Path
) -> None:
    home = founded.copied(tmp_path / "own").home.under({"KEYRELAY_ANALYSES": "hosted"})
    with answering(home) as running:
        api = running.with_token(founded.token)
        answer = opened(api, new_analysis(api, "none here").token)

    assert answer.status_code == 409
    assert "KEYRELAY_ANALYSES names no `external`" in answer.json()["message"]


def test_lines_are_kept_without_what_policies_let_the_analysis_access(
    api: Api,
) -> None:
    analysis = new_analysis(api, "talkative")
    new_secret(api, "a_key", CANARY)
    policy = api.ask("POST", "/am", ALLOW).field("am_id")
    script = api.with_token(analysis.token)

    def said(text: str) -> str:
        body = {"message": text}
        sent = script.ask("POST", "/analysis/services/console/send", body)
        assert sent.status == 200
        info = api.get(f"/analysis/{analysis.id}").result
        assert isinstance(info, dict)
        return str(info["console"][-1])

    encoded = base64.b64encode(CANARY.encode()).decode()
    several = said(f"it is {CANARY} or\n{encoded}, by {analysis.token}\nis it")
    assert "it is *** or\n***, by ***\nis it" in several
    api.ask("DELETE", f"/am/{policy}")
    assert CANARY in said(f"no secret of its own: {CANARY}")
    releases = api.get(f"/audit?kind=release&analysis={analysis.id}").result
    assert isinstance(releases, dict)
    assert releases["records"] == []
