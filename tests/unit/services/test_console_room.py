"""Console room: what one script's lines cost is bounded, and other scripts' are not."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest

from keyrelay.api.failures import answer_to
from keyrelay.services.console_room import ConsoleBusy, ConsoleLimits, ConsoleRoom
from tests.fakes import Clock
from tests.samples import NOON, OTHER_PROFILE, PROFILE

OURS, THEIRS = "1" * 24, "2" * 24
LIMITS = ConsoleLimits(a_second=10, at_once=100, analyses=2)


@dataclass(frozen=True, slots=True)
class Bench:
    room: ConsoleRoom
    clock: Clock

    async def spend(
        self, cost: float, analysis: str = OURS, profile: str = PROFILE
    ) -> None:
        async with self.room.taken(profile, analysis) as spend:
            spend(cost)

    async def wait_of(self, analysis: str = OURS) -> int | None:
        """Return for how many seconds a line is refused; None, it is taken."""
        try:
            await self.spend(0, analysis)
        except ConsoleBusy as busy:
            return busy.seconds
        return None


@pytest.fixture
def bench() -> Bench:
    clock = Clock(time=NOON)
    return Bench(ConsoleRoom(now=clock.now, limits=LIMITS), clock)


async def test_a_burst_is_taken_and_then_as_much_as_comes_back(bench: Bench) -> None:
    for _ in range(10):
        await bench.spend(10)
    assert await bench.wait_of() == 1

    bench.clock.advance(timedelta(seconds=1))
    await bench.spend(10)
    assert await bench.wait_of() == 1

    bench.clock.advance(timedelta(days=1))
    await bench.spend(100)
    assert await bench.wait_of() == 1


async def test_what_cost_too_much_is_made_up_for_first(bench: Bench) -> None:
    await bench.spend(300)

    assert await bench.wait_of() == 20
    bench.clock.advance(timedelta(seconds=19))
    assert await bench.wait_of() == 1
    bench.clock.advance(timedelta(seconds=2))
    assert await bench.wait_of() is None


async def test_other_analyses_are_not_refused(bench: Bench) -> None:
    await bench.spend(300)

    assert await bench.wait_of(THEIRS) is None
    await bench.spend(1, OURS, OTHER_PROFILE)


async def test_a_clock_that_is_set_back_gives_nothing(bench: Bench) -> None:
    await bench.spend(300)

    bench.clock.advance(timedelta(hours=-1))
    assert await bench.wait_of() == 20
    bench.clock.advance(timedelta(seconds=21))
    assert await bench.wait_of() is None


async def test_lines_that_come_together_do_not_pass_the_limit_together(
    bench: Bench,
) -> None:
    under_way, most = 0, 0

    async def line() -> None:
        nonlocal under_way, most
        async with bench.room.taken(PROFILE, OURS) as spend:
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            spend(60)
            under_way -= 1

    ended: Sequence[object] = await asyncio.gather(
        *(line() for _ in range(5)), return_exceptions=True
    )

    assert most == 1
    assert [type(each) for each in ended] == [type(None)] * 2 + [ConsoleBusy] * 3


async def test_so_many_are_remembered_and_no_more(bench: Bench) -> None:
    await bench.spend(300)
    for analysis in (THEIRS, "3" * 24):
        await bench.spend(1, analysis)

    assert await bench.wait_of() is None


async def test_a_refusal_says_what_to_do_and_when_to_try_again(bench: Bench) -> None:
    await bench.spend(150)

    with pytest.raises(ConsoleBusy) as refused:
        await bench.spend(1)

    answer = answer_to(refused.value)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
    assert b"let it send fewer" in answer.body
    assert b"again in 5 s" in answer.body
