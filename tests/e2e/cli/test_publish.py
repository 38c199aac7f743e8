"""Publish: one trigger a line, each answered in order once it is durable."""

import asyncio
import json
import os
from collections.abc import Iterator

import pytest

from keyrelay.cli.jsonl import read_chunks
from keyrelay.cli.publishing import PublishReport
from keyrelay.model.ids import new_id
from keyrelay.model.trigger import Origin, Trigger
from keyrelay.services.publishing import Published, Publishing
from keyrelay.sources.cutting import Lines, cut
from tests.e2e.cli.command import Keyrelay
from tests.e2e.cli.definitions import create_action, create_secret
from tests.fakes import SlowInbox
from tests.samples import NOON, PROFILE

ACTION = "0" * 24
ORIGIN = Origin(profile=PROFILE, now=lambda: NOON, new_id=new_id)


def line(id_: str, **more: object) -> str:
    return json.dumps({"id": id_, "action": ACTION, **more})


def test_good_lines_are_accepted_and_bad_ones_are_named(keyrelay: Keyrelay) -> None:
    lines = [
        line("t1"),
        "nonsense",
        line("t2"),
        "",
        line("t1"),
        line("t3", colour="red"),
        line("t4"),
    ]

    said = keyrelay("trigger", "publish", "--file", "-", stdin="\n".join(lines))

    assert said.code == 1
    assert said.out.split() == ["t1", "t2", "t1", "t4"]
    named, unknown, count, summary = said.err.splitlines()
    assert named.startswith("line 2: expected one JSON object")
    assert unknown.startswith("line 6: a trigger has no field 'colour'")
    assert count == "accepted 3, known already 1, refused 2"
    assert summary.startswith("keyrelay: ")


def test_what_workers_would_refuse_for_its_profile_is_not_accepted(
    keyrelay: Keyrelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYRELAY_QUEUE", "kafka://127.0.0.1:1?profile=another")

    said = keyrelay("trigger", "publish", "--file", "-", stdin=line("t1"))

    assert said.code == 2
    assert not said.out
    assert "takes triggers of the profile 'another' only" in said.err


def test_with_json_each_line_is_answered_by_an_object(keyrelay: Keyrelay) -> None:
    lines = f"{line('t1')}\n\n{line('t1')}\n"
    file = keyrelay.write("triggers.jsonl", lines)

    said = keyrelay("trigger", "publish", "--file", file, "--json")

    assert said.code == 0
    assert [json.loads(answer) for answer in said.out.splitlines()] == [
        {"line": 1, "id": "t1", "known": False},
        {"line": 3, "id": "t1", "known": True},
    ]


def test_a_trigger_is_put_together_from_options(keyrelay: Keyrelay) -> None:
    action = create_action(keyrelay, create_secret(keyrelay))
    options = {
        "--action": "tell",
        "--variable": "temperature",
        "--value": "9.5",
        "--unit": "°C",
        "--device": "door-17",
        "--device-name": "Door 17",
        "--time": "2030-01-01T00:00:00Z",
        "--location": "48.2,16.4",
        "--trigger-key": "door-17",
        "--id": "t1",
        "--deadline": "2h",
    }

    said = keyrelay(
        "trigger", "publish", *(w for pair in options.items() for w in pair)
    )
    keyrelay("worker", "--drain")

    assert said.out == "t1\n"
    letter = keyrelay("dead-letter", "show", "t1", "--json").document
    match letter["document"]:
        case {"action": of, "key": "door-17", "data": [point]}:
            assert of == action
            assert point == {
                "variable": "temperature",
                "value": 9.5,
                "unit": "°C",
                "device": "door-17",
                "device_name": "Door 17",
                "time": "2030-01-01T00:00:00Z",
                "location": {"lat": 48.2, "lng": 16.4},
            }
        case other:
            pytest.fail(f"not as expected: {other}")


@pytest.mark.parametrize(
    ("written", "read"),
    [("9.5", 9.5), ("true", True), ("warm", "warm"), ("[1]", "[1]"), ("NaN", "NaN")],
)
def test_a_value_is_a_number_a_boolean_or_text(
    keyrelay: Keyrelay, written: str, read: object
) -> None:
    create_action(keyrelay, create_secret(keyrelay))

    keyrelay("trigger", "publish", "--action", "tell", "--id", "t1", "--value", written)
    keyrelay("worker", "--drain")

    letter = keyrelay("dead-letter", "show", "t1", "--json").document
    match letter["document"]:
        case {"data": [{"value": value}]}:
            assert value == read
        case other:
            pytest.fail(f"not as expected: {other}")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--data", "[{"), "--data is a JSON object or a list"),
        (("--data", '{"a": 1}, "data": 1'), "--data is a JSON object or a list"),
        (("--data", "[]", "--value", "1"), "without the others"),
        (("--location", "north"), "LAT,LNG"),
        (("--location", "NaN,Infinity"), "LAT,LNG"),
        (("--location", "true,1"), "numbers lat and lng"),
        (("--deadline", "soon"), "a time looks like"),
        (("--deadline", "9999-12-31T23:59:59-01:00"), "out of range"),
        (("--id", "a b"), "a trigger's id"),
        (("--time", "now"), "RFC 3339"),
    ],
    ids=str,
)
def test_options_that_make_no_trigger_are_refused(
    keyrelay: Keyrelay, options: tuple[str, ...], words: str
) -> None:
    create_action(keyrelay, create_secret(keyrelay))

    said = keyrelay("trigger", "publish", "--action", "tell", *options)

    assert said.code in (1, 2)
    assert said.is_one_sentence, said
    assert words in said.err


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            continue


async def test_no_id_is_printed_before_its_trigger_is_durable(
    pipe: tuple[int, int], capfd: pytest.CaptureFixture[str]
) -> None:
    inbox, report = SlowInbox(), PublishReport(as_json=False)
    told = asyncio.Queue[int]()

    def tell(line: int, answer: Published) -> None:
        report.tell(line, answer)
        told.put_nowait(line)

    os.write(pipe[1], f"{line('t1')}\n{line('t2')}\n".encode())
    publishing = Publishing(
        inbox=inbox,
        reading=lambda _: lambda _, raw: Trigger.parse(raw, ORIGIN),
        now=lambda: NOON,
    )
    lines = cut(read_chunks(pipe[0]), Lines())
    running = asyncio.create_task(publishing.publish_all(lines, tell))

    await inbox.until_asked(2)
    before = capfd.readouterr().out
    inbox.answer()
    # Printed at once, although more lines may come: a producer waits for it.
    assert [await told.get(), await told.get()] == [1, 2]
    after = capfd.readouterr().out
    os.close(pipe[1])
    await running

    assert before == ""
    assert after.split() == ["t1", "t2"]
