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


def test_what_json_has_no_type_for_is_shown_by_its_repr() -> None:
    stream = io.StringIO()
    configure_logs("json", stream)

    structlog.get_logger("keyrelay").info("opened", value=SecretValue(CANARY))

    (line,) = written(stream)
    assert line["value"] == "SecretValue(…)"


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
