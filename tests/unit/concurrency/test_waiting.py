"""Waiting: a long wait says for what, a short one nothing."""

import asyncio
from datetime import timedelta

import pytest

from keyrelay.concurrency.waiting import waiting_for


async def test_a_wait_that_lasts_says_once_for_what(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with waiting_for("the lock", silent=timedelta()):
        await asyncio.sleep(0.01)

    (record,) = caplog.records
    assert record.__dict__["reason"] == "the lock"


async def test_a_short_wait_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with waiting_for("the lock", silent=timedelta(milliseconds=1)):
        pass
    await asyncio.sleep(0.002)

    assert not caplog.records
