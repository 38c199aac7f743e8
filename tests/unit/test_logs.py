"""Logs: what a line holds, and what it never does."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from keyrelay.logs import configure_logs, report_loop_fault

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

    logging.getLogger("keyrelay.worker").error("stopped", extra={"reason": "disk"})

    (line,) = written(stream)
    assert (line["event"], line["reason"], line["level"]) == (
        "stopped",
        "disk",
        "error",
    )
    assert line["logger"] == "keyrelay.worker"


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
