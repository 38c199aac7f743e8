"""Seats are waited for while others get theirs, and no longer."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from keyrelay.dispatchers.smtp.limits import Limits, Reuse
from keyrelay.dispatchers.smtp.slots import Slots
from keyrelay.model.outcome import Blame

ONE = Limits(reuse=replace(Reuse(), sessions=1))

Pass = Callable[[float], None]


@pytest.fixture
async def passes(monkeypatch: pytest.MonkeyPatch) -> Pass:
    """Make so many seconds pass for the loop, and for nobody else."""
    loop, passed = asyncio.get_running_loop(), [0.0]
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + sum(passed))
    return passed.append


async def settled() -> None:
    """Let everybody do what can be done now."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_free_seat_is_taken_at_once(passes: Pass) -> None:
    seats = Slots(limits=ONE)
    passes(100)

    assert await seats.take() is None


async def test_who_waits_goes_on_waiting_while_seats_are_given_back(
    passes: Pass,
) -> None:
    seats = Slots(limits=ONE)
    await seats.take()
    waiting = {asyncio.create_task(seats.take()) for _ in range(5)}
    await settled()

    while waiting:
        passes(0.9 * ONE.still.total_seconds())
        await settled()
        seats.give_back()
        seated, waiting = await asyncio.wait(
            waiting, return_when=asyncio.FIRST_COMPLETED
        )
        assert [taken.result() for taken in seated] == [None]


async def test_nobody_waits_where_no_seat_is_given_back(passes: Pass) -> None:
    seats = Slots(limits=ONE)
    await seats.take()
    waiting = [asyncio.create_task(seats.take()) for _ in range(3)]
    await settled()

    passes(ONE.still.total_seconds())

    refused = [*await asyncio.gather(*waiting), await seats.take()]
    assert [refusal and refusal.blame for refusal in refused] == [Blame.PEER] * 4


async def test_nobody_waits_longer_than_a_turn(passes: Pass) -> None:
    # There are always more of them than seats.
    seats = Slots(limits=replace(ONE, turn=ONE.still * 2))
    await seats.take()
    waiting = [asyncio.create_task(seats.take()) for _ in range(5)]
    await settled()

    for _ in range(3):
        passes(0.9 * ONE.still.total_seconds())
        await settled()
        seats.give_back()
        await settled()

    refused = [refusal for refusal in await asyncio.gather(*waiting) if refusal]
    assert [refusal.blame for refusal in refused] == [Blame.MESSAGE] * 3


async def test_a_seat_that_was_given_back_makes_others_worth_waiting_for(
    passes: Pass,
) -> None:
    seats = Slots(limits=ONE)
    await seats.take()
    passes(ONE.still.total_seconds())
    assert await seats.take() is not None

    seats.give_back()

    assert await seats.take() is None
