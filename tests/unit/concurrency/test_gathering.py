"""Gathering: calls that come together share a run that began after all of them."""

import asyncio
from dataclasses import dataclass, field

import pytest

from keyrelay.concurrency.gathering import Gathered
from tests.fakes import settled


@dataclass
class Work:
    """What is gathered for; both its waits last until the test ends them."""

    begun: int = 0
    ended: int = 0
    gathering: asyncio.Event = field(default_factory=asyncio.Event)
    acting: asyncio.Event = field(default_factory=asyncio.Event)
    fault: Exception | None = None

    async def gather(self) -> None:
        await self.gathering.wait()

    async def act(self) -> None:
        self.begun += 1
        await self.acting.wait()
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        self.ended += 1


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def gathered(work: Work) -> Gathered:
    return Gathered(act=work.act, gather=work.gather)


async def test_all_that_call_while_it_gathers_share_one_run(
    work: Work, gathered: Gathered
) -> None:
    calls = [asyncio.ensure_future(gathered.run()) for _ in range(100)]
    await settled()
    assert work.begun == 0

    work.gathering.set()
    work.acting.set()
    await asyncio.gather(*calls)

    assert work.ended == 1


async def test_a_call_during_a_run_waits_for_the_next_one(
    work: Work, gathered: Gathered
) -> None:
    """What it needs may have come after that run looked."""
    work.gathering.set()
    first = asyncio.ensure_future(gathered.run())
    await settled()
    assert work.begun == 1

    second = asyncio.ensure_future(gathered.run())
    work.acting.set()
    await asyncio.gather(first, second)

    assert work.ended == 2


async def test_a_call_after_a_run_has_one_of_its_own(
    work: Work, gathered: Gathered
) -> None:
    work.gathering.set()
    work.acting.set()

    await gathered.run()
    await gathered.run()

    assert work.ended == 2


@pytest.mark.parametrize("how", ["it fails", "its caller is gone"])
async def test_a_run_that_does_not_end_leaves_its_callers_to_the_next(
    work: Work, gathered: Gathered, how: str
) -> None:
    work.gathering.set()
    first, second = (asyncio.ensure_future(gathered.run()) for _ in range(2))
    await settled()
    if how == "it fails":
        work.fault = ValueError("no")
    else:
        first.cancel()
        await settled()

    work.acting.set()
    await asyncio.wait([first, second])

    with pytest.raises((ValueError, asyncio.CancelledError)):
        first.result()
    assert second.exception() is None
    assert work.ended == 1
