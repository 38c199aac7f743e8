"""Logs: what a line holds, and what it never does."""

import asyncio
import errno
import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from keyrelay.model.secret import SecretValue
from keyrelay.observability.logs import configure_logs, report_loop_fault

CANARY = "hunter2"
ODD = {
    "at": datetime(2030, 1, 31, 12, tzinfo=UTC),
    "after": timedelta(seconds=90),
    "file": Path("/tmp/a"),  # noqa: S108 - a name, and no file
    "parts": frozenset({2, 1}),
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("keyrelay")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], level, our_level = before
    root.setLevel(level)
    ours.setLevel(our_level)
    structlog.reset_defaults()


def written(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_its_data_beside_the_event() -> None:
    stream = io.StringIO()
    configure_logs("json", stream)

    logging.getLogger("keyrelay.engine.worker").error(
        "stopped", extra={"reason": "disk"}
    )

    (line,) = written(stream)
    assert (line["event"], line["reason"], line["level"]) == (
        "stopped",
        "disk",
        "error",
    )
    assert line["logger"] == "keyrelay.engine.worker"


def test_a_line_has_its_logger_its_level_and_its_time() -> None:
    stream = io.StringIO()
    configure_logs("json", stream)

    structlog.get_logger("keyrelay.stores").warning("left out", noun="action")

    (line,) = written(stream)
    assert (line["event"], line["noun"]) == ("left out", "action")
    assert (line["logger"], line["level"]) == ("keyrelay.stores", "warning")
    assert str(line["timestamp"]).endswith("Z")


def test_keyrelays_lines_below_the_level_are_left_out() -> None:
    stream = io.StringIO()
    configure_logs("json", stream, logging.WARNING)

    for log in (structlog.get_logger("keyrelay"), logging.getLogger("keyrelay")):
        log.info("settled")
        log.warning("paused")

    assert [line["event"] for line in written(stream)] == ["paused", "paused"]


class FullDisk(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, "no space left")


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_full_disk_does_not_stop_the_work(log_format: str) -> None:
    configure_logs(log_format, FullDisk())

    structlog.get_logger("keyrelay").info("settled")


def test_what_json_has_no_type_for_is_never_shown_by_its_repr() -> None:
    stream = io.StringIO()
    configure_logs("json", stream)

    structlog.get_logger("keyrelay").info("opened", value=SecretValue(CANARY), **ODD)

    (line,) = written(stream)
    assert line["value"] == "SecretValue"
    assert {name: line[name] for name in ODD} == {
        "at": "2030-01-31T12:00:00+00:00",
        "after": 90.0,
        "file": str(ODD["file"]),
        "parts": ["1", "2"],
    }


@pytest.mark.parametrize("logger", ["structlog's", "the standard library's"])
def test_a_line_for_people_is_one_line_without_repr_or_escape_codes(
    logger: str,
) -> None:
    stream = io.StringIO()
    configure_logs("text", stream)
    data = {**ODD, "reason": "two\nlines\x1b[31m", "ids": ["a", "b"], "none": None}

    if logger == "structlog's":
        structlog.get_logger("keyrelay").warning("refused", **data)
    else:
        logging.getLogger("keyrelay").warning("refused", extra=data)

    (line,) = stream.getvalue().splitlines()
    assert line.isprintable()
    assert 'reason="two lines' in line
    assert 'ids="a, b"' in line
    assert "at=2030-01-31T12:00:00+00:00 file=/tmp/a" in line
    assert not any(mark in line for mark in ("datetime", "PosixPath", "['", "{'"))


@pytest.mark.parametrize("no_color", ["", "1"])
def test_only_a_terminal_without_no_color_gets_colours(
    monkeypatch: pytest.MonkeyPatch, no_color: str
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    terminal = Terminal()
    configure_logs("auto", terminal)

    logging.getLogger("keyrelay").warning("refused")

    assert ("\x1b" in terminal.getvalue()) == (not no_color)


def test_a_line_is_printable_ascii_in_which_nothing_hides() -> None:
    stream = io.StringIO()
    configure_logs("json", stream)

    structlog.get_logger("keyrelay").info("refused", reason="\u202eneko\x7f\x1b")

    assert stream.getvalue().strip().isprintable()
    assert stream.getvalue().isascii()


def test_libraries_appear_only_from_warning_up() -> None:
    stream = io.StringIO()
    configure_logs("json", stream)

    for name in ("aiosqlite", "botocore", "aiosmtplib"):
        logging.getLogger(name).info(CANARY)

    assert stream.getvalue() == ""


def test_what_a_library_repeats_is_said_once_a_minute_with_how_much_was_left_out() -> (
    None
):
    stream = io.StringIO()
    configure_logs("json", stream)
    library = logging.getLogger("aiokafka.conn")
    lines_of_code = [*[1] * 700, 2]
    for tenth, line in enumerate(lines_of_code):
        record = library.makeRecord(
            library.name, logging.ERROR, "conn.py", line, "no node %s", (1,), None
        )
        record.created = 1_000_000 + tenth / 10
        library.handle(record)
    for _ in range(2):
        logging.getLogger("keyrelay.engine").error("ours")

    lines = written(stream)
    assert [line["event"] for line in lines] == [*["no node 1"] * 3, *["ours"] * 2]
    assert [line.get("left_out") for line in lines[:3]] == [None, 599, None]


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_the_place_of_an_exception_is_told_however_deep_it_is(log_format: str) -> None:
    stream = io.StringIO()
    configure_logs(log_format, stream)

    def down(levels: int) -> None:
        if levels:
            down(levels - 1)
        raise ValueError

    try:
        down(50)
    except ValueError:
        logging.getLogger("keyrelay").exception("it failed")

    assert "raise ValueError" in stream.getvalue()


def test_an_exception_is_logged_by_its_type_and_frames_without_its_message() -> None:
    stream = io.StringIO()
    configure_logs("text", stream)

    try:
        int(CANARY)
    except ValueError:
        logging.getLogger("keyrelay").exception("failed")

    assert "ValueError" in stream.getvalue()
    assert "test_logs.py" in stream.getvalue()
    assert CANARY not in stream.getvalue()


def test_an_error_that_was_never_awaited_is_logged_without_its_message() -> None:
    stream = io.StringIO()
    configure_logs("json", stream)

    with asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(report_loop_fault)
        runner.get_loop().call_exception_handler(
            {"message": "never retrieved", "exception": ValueError(CANARY)}
        )

    (line,) = written(stream)
    assert (line["event"], line["error"]) == ("never retrieved", "ValueError")
    assert CANARY not in stream.getvalue()
