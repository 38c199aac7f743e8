"""Insistence: an outage is over when what had failed succeeds, not something else."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import pytest

from keyrelay.concurrency.outage import Outage
from keyrelay.engine.insistence import RETRY_AFTER, until_available
from keyrelay.ports import Unavailable


async def succeed() -> str:
    return "kept"


@pytest.fixture
def outage() -> Outage:
    log = logging.getLogger("test")
    return Outage(log=log, begun="stopped", over="goes on")


def messages(caplog: pytest.LogCaptureFixture) -> Sequence[str]:
    return [record.message for record in caplog.records]


def failing(
    times: int, meanwhile: Callable[[], Awaitable[object]]
) -> Callable[[], Awaitable[str]]:
    """Return what raises so often; `meanwhile` happens before it succeeds."""
    left = times

    async def act() -> str:
        nonlocal left
        left -= 1
        if left >= 0:
            raise Unavailable("the disk is full")
        await meanwhile()
        return await succeed()

    return act


async def test_what_never_failed_does_not_end_the_outage_of_what_does(
    outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    said_meanwhile: list[Sequence[str]] = []
    slept: list[timedelta] = []

    async def sleep(time: timedelta) -> None:
        slept.append(time)

    async def another() -> None:
        await until_available(succeed, outage, sleep)
        said_meanwhile.append(messages(caplog))

    result = await until_available(failing(3, another), outage, sleep)

    assert result == "kept"
    assert slept == [RETRY_AFTER] * 3
    assert said_meanwhile == [["stopped"]]
    assert messages(caplog) == ["stopped", "goes on"]
