"""Consoles: what scripts send is shown in its order, and told to those that listen."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from keyrelay.stores.consoles import KEPT_LINES
from tests.e2e.api.conftest import Founded
from tests.e2e.api.test_events import DENIED, UNKNOWN, new_secret
from tests.installed.api import Answer, Api, answering, token_of
from tests.installed.consoles import print_lines
from tests.installed.events import Told, following
from tests.installed.home import Home

SEND = "/analysis/services/console/send"
AT = "2026-11-28T06:00:00.123Z"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECONDS = (datetime.fromisoformat(AT) - EPOCH) // timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """An analysis, as its script talks to the API, and as others do."""

    id: str
    script: Api
    people: Api

    def send(self, message: object, **more: object) -> Answer:
        return self.script.ask("POST", SEND, {"message": message, **more})

    @property
    def console(self) -> object:
        result = self.people.get(f"/analysis/{self.id}").result
        assert isinstance(result, dict)
        return result["console"]

    @property
    def channel(self) -> str:
        return f"analysis_console.{self.id}"


def new_script(api: Api, name: str = "boiler") -> Script:
    made = api.ask("POST", "/analysis", {"name": name})
    script = api.with_token(made.field("token"))
    return Script(id=made.field("id"), script=script, people=api)


@pytest.fixture
def boiler(shared_api: Api) -> Script:
    return new_script(shared_api)


def messages(told: Sequence[Told]) -> Sequence[object]:
    return [each.payload["message"] for each in told]


def test_what_a_script_sends_is_its_console_without_a_run(boiler: Script) -> None:
    before = boiler.console
    answers = [boiler.send(each) for each in ("one", "two\nlines", "", "nul \0")]

    assert before == []
    assert {each.status for each in answers} == {200}
    assert answers[0].result == "Console Message Successfully Sent"
    assert boiler.console == ["one", "two\nlines", "", "nul \\u{0}"]


def test_lists_show_consoles_where_they_are_asked_for(boiler: Script) -> None:
    boiler.send("listed")
    listed = f"/analysis?filter[id]={boiler.id}"

    shown = boiler.people.get(f"{listed}&fields[0]=console")
    plain = boiler.people.get(listed)

    assert shown.result == [{"console": ["listed"]}]
    assert plain.result == [{"id": boiler.id, "name": "boiler"}]


def test_a_list_of_very_many_consoles_is_refused(home: Home) -> None:
    many = [{"name": f"a{n}", "run_on": "external"} for n in range(201)]
    with answering(home) as running:
        api = running.with_token(token_of(home, "write"))
        for each in many:
            api.ask("POST", "/analysis", each)
        refused = api.get("/analysis?amount=500&fields[0]=console")
        paged = api.get("/analysis?amount=200&fields[0]=console")
        plain = api.get("/analysis?amount=500")

    assert (refused.status, paged.status, plain.status) == (400, 200, 200)
    assert "up to 200 analyses" in str(refused.message)


@pytest.mark.parametrize("kind", ["read", "write", "full", "producer", "operator"])
def test_only_an_analysis_token_may_send(
    shared: Founded, boiler: Script, kind: str
) -> None:
    told = ("--permission", kind) if kind in ("read", "write", "full") else None
    made = told or (f"--{kind}",)
    token = shared.home.run("token", "create", f"log {kind}", *made).strip()

    answer = boiler.people.with_token(token).ask("POST", SEND, {"message": "x"})

    assert (answer.status, answer.document) == (401, DENIED)
    assert boiler.console == []


def test_the_token_of_a_deleted_analysis_sends_no_more(shared_api: Api) -> None:
    script = new_script(shared_api, "brief")
    shared_api.ask("DELETE", f"/analysis/{script.id}")

    assert script.send("late").status == 401


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "message must be a string"),
        ({"message": 7}, "message must be a string"),
        ({"message": "x", "timestamp": "soon"}, "milliseconds since 1970"),
        ({"message": "x", "timestamp": 1e300}, "milliseconds since 1970"),
        ({"message": "x", "timestamp": True}, "milliseconds since 1970"),
        ({"message": "x", "timestamp": []}, "milliseconds since 1970"),
        ({"message": "x", "level": "info"}, "a message has no field 'level'"),
    ],
)
def test_what_is_no_message_is_refused(
    boiler: Script, body: Mapping[str, object], said: str
) -> None:
    answer = boiler.script.ask("POST", SEND, body)

    assert answer.status == 400
    assert said in str(answer.message)
    assert boiler.console == []


def test_a_message_that_is_too_long_is_cut_and_one_out_of_bounds_refused(
    boiler: Script,
) -> None:
    cut, refused = boiler.send("x" * 200_000), boiler.send("x" * 300_000)

    (line,) = json.loads(json.dumps(boiler.console))
    assert (cut.status, refused.status) == (200, 413)
    assert (len(line.encode()), line[-2:]) == (8192, "x…")


@pytest.mark.parametrize(
    "timestamp",
    [MILLISECONDS, float(MILLISECONDS), "2026-11-28 06:00:00.123000", AT],
    ids=["JavaScript", "a float", "Python", "with its zone"],
)
def test_a_line_is_told_with_its_own_time(boiler: Script, timestamp: object) -> None:
    with following(boiler.people, boiler.channel) as stream:
        boiler.send("hello", timestamp=timestamp)
        told = stream.next()

    assert told.channel == boiler.channel
    assert told.payload == {"timestamp": AT, "message": "hello"}


def test_without_a_time_of_its_own_a_line_has_that_of_its_coming(
    boiler: Script,
) -> None:
    before = datetime.now(UTC)
    with following(boiler.people, boiler.channel, named="channel") as stream:
        boiler.send("one")
        boiler.send("two", timestamp=None)
        told = [stream.next(), stream.next()]

    for each in told:
        at = datetime.fromisoformat(str(each.payload["timestamp"]))
        assert before - timedelta(seconds=1) <= at <= datetime.now(UTC)


def test_consoles_and_other_channels_share_a_stream_over_all_processes(
    shared: Founded, shared_api: Api
) -> None:
    attic, cellar = new_script(shared_api, "attic"), new_script(shared_api, "cellar")
    attic.send("before")
    both = f"secrets,{attic.channel},{cellar.channel}"
    reader = token_of(shared.home, "read")
    with (
        answering(shared.home) as other,
        following(other.with_token(reader), both) as stream,
        following(other.with_token(reader), cellar.channel) as one,
    ):
        attic.send("hot")
        told = [stream.next()]
        cellar.send("cold")
        told.append(stream.next())
        new_secret(shared_api, "beside")
        told.append(stream.next())
        alone = one.next()

    assert [each.channel for each in told] == [attic.channel, cellar.channel, "secrets"]
    assert messages([*told[:2], alone]) == ["hot", "cold", "cold"]


def test_a_burst_is_told_in_order_and_what_is_missing_is_said(
    shared: Founded, shared_api: Api
) -> None:
    script, more = new_script(shared_api, "chatty"), 10
    texts = [f"line {n}" for n in range(KEPT_LINES + more)]
    with following(shared_api, script.channel) as stream:
        print_lines(shared.home, "chatty", *texts)
        told = [stream.next() for _ in range(KEPT_LINES + 1)]
        print_lines(shared.home, "chatty", "last")
        last = stream.next()

    left_out = f"({more} lines were left out here)"
    assert messages([*told, last]) == [left_out, *texts[more:], "last"]


@pytest.mark.parametrize("of", ["nobody", "another profile", "itself"])
def test_only_the_profile_s_own_consoles_are_listened_to(
    shared: Founded, shared_api: Api, boiler: Script, of: str
) -> None:
    home = shared.home
    match of:
        case "nobody":
            answer = shared_api.get(f"/events?channels=analysis_console.{UNKNOWN}")
        case "another profile":
            home.run("profile", "create", "elsewhere")
            there = home.under({"KEYRELAY_PROFILE": "elsewhere"})
            api = shared_api.with_token(token_of(there, "full"))
            answer = api.get(f"/events?channels={boiler.channel}")
        case _:
            answer = boiler.script.get(f"/events?channels={boiler.channel}")

    if of == "itself":
        assert (answer.status, answer.document) == (401, DENIED)
    else:
        assert (answer.status, answer.message) == (400, "Analysis can't be found")


def test_a_deleted_analysis_ends_no_stream(shared_api: Api) -> None:
    attic, cellar = new_script(shared_api, "attic"), new_script(shared_api, "cellar")
    with following(shared_api, f"{attic.channel},{cellar.channel}") as stream:
        shared_api.ask("DELETE", f"/analysis/{attic.id}")
        cellar.send("still")

        assert messages([stream.next()]) == ["still"]
