"""Logs: what a line holds, and what it never does."""

import asyncio
import errno
import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from keyrelay.model.secret import SecretValue
from keyrelay.observability.logs import configure_logs, report_loop_fault

CANARY = "hunter2"


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


def test_our_own_line_tells_who_says_it_how_grave_it_is_and_when() -> None:
    stream = io.StringIO()
    configure_logs("json", stream)

    structlog.get_logger("keyrelay.stores").warning("left out", noun="action")

    (line,) = written(stream)
    assert (line["event"], line["noun"]) == ("left out", "action")
    assert (line["logger"], line["level"]) == ("keyrelay.stores", "warning")
    assert str(line["timestamp"]).endswith("Z")


def test_of_our_own_lines_those_below_the_level_are_left_out() -> None:
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
def test_a_disk_full_of_log_lines_stops_nobody(log_format: str) -> None:
    configure_logs(log_format, FullDisk())

    structlog.get_logger("keyrelay").info("settled")


def test_what_json_has_no_word_for_is_shown_as_it_shows_itself() -> None:
    stream = io.StringIO()
    configure_logs("json", stream)

    structlog.get_logger("keyrelay").info("opened", value=SecretValue(CANARY))

    (line,) = written(stream)
    assert line["value"] == "SecretValue(…)"


def test_a_line_is_ascii_so_that_nothing_in_it_hides_or_turns_round() -> None:
    stream = io.StringIO()
    configure_logs("json", stream)

    structlog.get_logger("keyrelay").info("refused", reason="\u202eneko\x7f\x1b")

    assert stream.getvalue().strip().isprintable()
    assert stream.getvalue().isascii()


def test_libraries_are_heard_only_when_they_warn() -> None:
    stream = io.StringIO()
    configure_logs("json", stream)

    for name in ("aiosqlite", "botocore", "aiosmtplib"):
        logging.getLogger(name).info(CANARY)

    assert stream.getvalue() == ""


def test_an_exception_leaves_its_type_and_frames_and_not_its_words() -> None:
    stream = io.StringIO()
    configure_logs("text", stream)

    try:
        int(CANARY)
    except ValueError:
        logging.getLogger("keyrelay").exception("failed")

    assert "ValueError" in stream.getvalue()
    assert "test_logs.py" in stream.getvalue()
    assert CANARY not in stream.getvalue()


def test_what_nobody_awaited_is_told_without_its_words() -> None:
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
