"""Waiting: a long wait says for what, a short one nothing."""

import asyncio

import pytest

from keyrelay.concurrency.waiting import waiting_for
from tests.fakes import Pass, settled

LONG, SHORT = 2.1, 1.9  # seconds


async def test_a_wait_that_lasts_says_once_for_what(
    passes: Pass, caplog: pytest.LogCaptureFixture
) -> None:
    with waiting_for("the lock"):
        passes(LONG)
        await settled()

    (record,) = caplog.records
    assert record.__dict__["reason"] == "the lock"


async def test_a_short_wait_says_nothing(
    passes: Pass, caplog: pytest.LogCaptureFixture
) -> None:
    with waiting_for("the lock"):
        passes(SHORT)
        await settled()
    passes(LONG)
    await settled()

    assert not caplog.records


async def test_a_wait_that_is_over_says_nothing_although_its_block_goes_on(
    passes: Pass, caplog: pytest.LogCaptureFixture
) -> None:
    over = asyncio.Event()

    with waiting_for("the lock", is_over=over.is_set):
        passes(SHORT)
        over.set()
        passes(LONG)
        await settled()

    assert not caplog.records
