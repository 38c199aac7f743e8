"""Events: what happens in a profile is told to those that listen, by each process."""

import json
import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from keyrelay.api.event_stream import KEEP_ALIVE
from tests.e2e.api.conftest import Founded
from tests.installed.api import Api, answering, token_of
from tests.installed.events import following
from tests.installed.home import Home
from tests.services import deadline

SECOND = timedelta(seconds=1)
CANARY = "canary-7f3a9c"
UNKNOWN = "0" * 24
DENIED = {"status": False, "message": "Authorization Denied"}


def bury(home: Home, id_: str) -> None:
    """Publish a trigger of an action that there is not, and have a worker bury it."""
    line = json.dumps({"id": id_, "action": UNKNOWN})
    home.run("trigger", "publish", "--file", "-", given=line)
    home.run("worker", "--drain")


def new_secret(api: Api, key: str) -> str:
    tags = [{"key": "team", "value": "north"}]
    document = {"key": key, "type": "text", "value": CANARY, "tags": tags}
    return api.ask("POST", "/secrets", document).field("id")


def asked(api: Api, query: str, headers: Mapping[str, str]) -> tuple[int, object]:
    """Ask for a stream that is refused."""
    answer = httpx.get(f"{api.url}/events?{query}", headers=headers, trust_env=False)
    return answer.status_code, answer.json()


def test_what_workers_and_other_processes_do_is_told(
    shared: Founded, shared_api: Api
) -> None:
    with answering(shared.home) as other, following(shared_api) as stream:
        secret = new_secret(other.with_token(shared.token), "told")
        made = stream.next()
        bury(shared.home, "told")
        one, another = stream.next(), stream.next()
        listed = shared_api.get("/attempts?trigger=told").result
        shared.home.run("dead-letter", "drop", "told", "--yes")
        dropped = stream.next()

    assert (made.channel, made.id) == ("secrets", None)
    assert {**made.payload, "at": None} == {
        "id": secret,
        "change": "created",
        "at": None,
    }
    assert (one.channel, another.channel) == ("attempts", "dead-letters")
    assert isinstance(listed, dict)
    assert [one.payload] == listed["attempts"]
    assert another.payload["trigger"] == "told"
    assert (another.payload["action"], another.payload["change"]) == (UNKNOWN, "buried")
    assert "there is no action" in str(another.payload["reason"])
    assert (dropped.channel, dropped.payload["change"]) == ("dead-letters", "dropped")


@pytest.mark.parametrize("named", ["channel", "channels"])
def test_only_the_channels_that_were_named_are_told(
    shared_api: Api, named: str
) -> None:
    with (
        following(shared_api, "secrets,attempts", named=named) as both,
        following(shared_api, "dead-letters", named=named) as others,
    ):
        new_secret(shared_api, f"of-{named}")
        assert both.next().channel == "secrets"
        # Whatever is told next to this one, nothing was before its keep-alive.
        assert others.comment() == ": keep-alive"


def test_a_secret_s_event_never_holds_its_value(shared_api: Api) -> None:
    with following(shared_api, "secrets") as stream:
        id_ = new_secret(shared_api, "kept")
        shared_api.ask("PUT", f"/secrets/{id_}", {"value": f"new {CANARY}"})
        shared_api.ask("DELETE", f"/secrets/{id_}")
        told = [stream.next() for _ in range(3)]

    assert [each.payload["change"] for each in told] == ["created", "edited", "deleted"]
    assert {each.payload["id"] for each in told} == {id_}
    assert all(set(each.payload) == {"id", "change", "at"} for each in told)
    assert CANARY not in str(told)


def test_a_token_is_told_of_its_profile_alone(home: Home) -> None:
    home.run("init", "--profile", "north", "--no-token")
    north = home.under({"KEYRELAY_PROFILE": "north"})
    with answering(home) as running:
        here = running.with_token(token_of(home, "write"))
        there = running.with_token(token_of(north, "write"))
        with following(there) as stream, following(here) as own:
            new_secret(here, "here")
            assert own.next().channel == "secrets"
            id_ = new_secret(there, "there")

            assert stream.next().payload["id"] == id_


@pytest.mark.parametrize("kind", ["producer", "operator"])
def test_tokens_without_the_right_are_denied_before_the_stream(
    shared: Founded, shared_api: Api, kind: str
) -> None:
    token = shared.home.run("token", "create", kind, f"--{kind}").strip()

    for query, headers in (
        (f"channels=attempts&token={token}", {}),
        ("channels=attempts", {"token": token}),
    ):
        assert asked(shared_api, query, headers) == (401, DENIED)


def test_one_right_token_is_asked_for_in_the_header_or_in_the_query(
    shared: Founded, shared_api: Api
) -> None:
    token = shared.token

    for query, headers in (
        ("channels=attempts", {}),
        ("channels=attempts&token=p-wrong", {}),
        (f"channels=attempts&token={token}", {"token": token}),
        (f"channels=attempts&token={token}&token={token}", {}),
    ):
        assert asked(shared_api, query, headers) == (401, DENIED)
    url = f"{shared_api.url}/events?channels=attempts"
    with httpx.stream("GET", url, headers={"token": token}, trust_env=False) as told:
        assert told.headers["content-type"] == "text/event-stream"
        assert told.headers["cache-control"] == "no-store"
    # On no other route does a token count in the query.
    assert shared_api.with_token(None).get(f"/secrets?token={token}").status == 401


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "attempts, dead-letters, secrets"),
        ("channels=", "1 to 1000 characters"),
        ("channels=attempts,", "one or more of attempts, dead-letters, secrets"),
        ("channels=audit", "one or more of attempts, dead-letters, secrets"),
        ("channels=attempts&channel=secrets", "one of channel and channels"),
        ("channels=attempts&since=now", "parameters channel, channels, token"),
        ("channels=analysis_trigger,attempts", "analysis_trigger is a stream of its"),
        ("channels=analysis_console.66b2", "analysis_console.ID"),
        ("channels=secrets,analysis_console", "analysis_console.ID"),
    ],
)
def test_channels_that_there_are_not_are_refused_in_a_sentence(
    shared_api: Api, query: str, said: str
) -> None:
    answer = shared_api.get(f"/events?{query}")

    assert answer.status == 400
    assert said in str(answer.message)


def test_a_place_that_is_none_is_refused(shared_api: Api) -> None:
    answer = shared_api.ask(
        "GET", "/events?channels=attempts", headers={"Last-Event-ID": "x"}
    )

    assert answer.status == 400
    assert "Last-Event-ID" in str(answer.message)


def test_a_client_that_comes_back_is_told_the_attempts_that_it_missed(
    home: Home,
) -> None:
    with answering(home) as running:
        api = running.with_token(token_of(home, "read"))
        with following(api, "attempts") as stream:
            bury(home, "seen")
            seen = stream.next()
        bury(home, "missed")
        place = {"Last-Event-ID": str(seen.id)}
        with following(api, "attempts", place) as stream:
            missed = stream.next()
            bury(home, "later")
            later = stream.next()
        with following(api, "secrets", place) as stream:
            assert stream.comment() == ": keep-alive"

    assert seen.payload["trigger"] == "seen"
    assert missed.payload["trigger"] == "missed"
    assert later.payload["trigger"] == "later"


def test_a_stream_is_kept_alive_every_five_seconds(shared_api: Api) -> None:
    with following(shared_api) as stream:
        began = time.monotonic()
        assert [stream.comment(), stream.comment()] == [": keep-alive"] * 2
        took = timedelta(seconds=time.monotonic() - began)

    assert took + SECOND / 10 >= 2 * KEEP_ALIVE


def test_a_revoked_token_s_stream_ends_within_a_second(
    shared: Founded, shared_api: Api
) -> None:
    made = shared_api.ask("POST", "/tokens", {"name": "short"})
    with (
        answering(shared.home) as other,
        following(shared_api.with_token(made.field("token"))) as here,
        following(other.with_token(made.field("token"))) as there,
    ):
        shared_api.ask("DELETE", f"/tokens/{made.field('id')}")
        revoked = time.monotonic()
        assert (here.rest(), there.rest()) == ([], [])
        took = timedelta(seconds=time.monotonic() - revoked)

    assert took < SECOND


def test_an_expired_token_s_stream_ends(shared_api: Api) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=3)
    document = {"name": "brief", "expire_time": ends.isoformat()}
    made = shared_api.ask("POST", "/tokens", document)

    with following(shared_api.with_token(made.field("token"))) as stream:
        assert stream.rest() == []

    assert ends <= datetime.now(UTC) < ends + SECOND


def test_a_token_has_ten_streams_and_no_more(shared_api: Api) -> None:
    made = shared_api.ask("POST", "/tokens", {"name": "many"})
    api = shared_api.with_token(made.field("token"))
    with ExitStack() as opened:
        for _ in range(10):
            opened.enter_context(following(api))
        refused = api.get("/events?channels=attempts")
        with following(shared_api):
            pass  # another token's

    assert refused.status == 429
    assert "10 event streams" in str(refused.message)
    assert refused.headers["retry-after"] == "1"
    # What is gone, and what has asked for the head alone, takes no place.
    again = f"{api.url}/events?channels=attempts&token={api.token}"
    for _ in range(11):
        assert httpx.head(again, trust_env=False).status_code in (200, 429)
    assert deadline.met(
        lambda: httpx.head(again, trust_env=False).status_code == 200, SECOND
    )


def test_a_stop_ends_streams_at_once_and_no_log_line_holds_the_token(
    home: Home,
) -> None:
    token = token_of(home, "read")
    with answering(home) as running:
        api = running.with_token(token)
        with following(api) as stream:
            asked(api, f"channels=none&token={token}", {})
            asked(api, f"channels=none&token={token}&token={token}", {})
            api.command.send(signal.SIGTERM)
            stopped = time.monotonic()
            assert stream.rest() == []
            took = timedelta(seconds=time.monotonic() - stopped)
        code = api.command.end()

    assert code == 0
    assert took < 2 * SECOND
    assert api.command.said
    assert not [line for line in api.command.said if token[10:] in line]


def test_a_burst_is_told_whole_to_a_client_that_reads(
    shared: Founded, shared_api: Api
) -> None:
    many = {f"burst-{number}" for number in range(3000)}
    lines = [json.dumps({"id": each, "action": UNKNOWN}) for each in sorted(many)]
    shared.home.run("trigger", "publish", "--file", "-", given="\n".join(lines))
    with (
        following(shared_api, "attempts,dead-letters") as stream,
        shared.home.running("worker", "--drain"),
    ):
        told = [stream.next() for _ in range(2 * len(many))]

    for channel in ("attempts", "dead-letters"):
        of_one = [each for each in told if each.channel == channel]
        assert {each.payload["trigger"] for each in of_one} == many
