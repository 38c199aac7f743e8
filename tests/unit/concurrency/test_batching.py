import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.concurrency.batching import Batch, RunCut
from tests.fakes import begun


class Refused(Exception):
    pass


@dataclass(slots=True)
class Runs:
    """Runs that end when the test says so; a result is ten times its item."""

    begun: list[list[int]] = field(default_factory=list)
    open: list[asyncio.Future[None]] = field(default_factory=list)
    began: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_begun(self, count: int) -> None:
        """Return once so many runs have begun."""
        while len(self.begun) < count:
            self.began.clear()
            await self.began.wait()

    async def __call__(self, items: Sequence[int]) -> list[int]:
        end = asyncio.get_running_loop().create_future()
        self.begun.append(list(items))
        self.open.append(end)
        self.began.set()
        try:
            await end
        finally:
            self.open.remove(end)
        return [item * 10 for item in items]


async def all_of(*callers: asyncio.Task[int]) -> list[int]:
    return list(await asyncio.gather(*callers))


async def hand_in(batch: Batch[int, int], *items: int) -> list[asyncio.Task[int]]:
    """Return one caller for each item, all of which wait for their results."""
    callers = [asyncio.create_task(batch.submit(item)) for item in items[:-1]]
    return [*callers, await begun(batch.submit(items[-1]))]


def our_tasks() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


async def test_a_single_item_goes_at_once_and_alone() -> None:
    runs = Runs()
    batch = Batch(run=runs, most=10)

    (caller,) = await hand_in(batch, 1)
    await runs.until_begun(1)
    runs.open[0].set_result(None)

    assert await caller == 10
    assert runs.begun == [[1]]


async def test_items_of_the_same_moment_share_a_run() -> None:
    runs = Runs()
    batch = Batch(run=runs, most=10)

    callers = await hand_in(batch, 1, 2, 3)
    await runs.until_begun(1)
    runs.open[0].set_result(None)

    assert await all_of(*callers) == [10, 20, 30]
    assert runs.begun == [[1, 2, 3]]


async def test_what_arrives_during_a_run_goes_into_the_next() -> None:
    runs = Runs()
    batch = Batch(run=runs, most=10)
    callers = await hand_in(batch, 1)
    await runs.until_begun(1)

    callers += await hand_in(batch, 2, 3)
    assert runs.begun == [[1]]
    runs.open[0].set_result(None)
    await runs.until_begun(2)

    assert runs.begun == [[1], [2, 3]]
    runs.open[0].set_result(None)
    assert await all_of(*callers) == [10, 20, 30]


async def test_a_run_takes_no_more_than_the_most() -> None:
    runs = Runs()
    batch = Batch(run=runs, most=2)

    callers = await hand_in(batch, 1, 2, 3, 4, 5)
    for number in range(3):
        await runs.until_begun(number + 1)
        runs.open[0].set_result(None)
    await all_of(*callers)

    assert runs.begun == [[1, 2], [3, 4], [5]]


async def test_the_items_of_one_caller_share_a_run_with_those_of_others() -> None:
    runs = Runs()
    batch = Batch(run=runs, most=10)

    alone = asyncio.create_task(batch.submit(1))
    many = await begun(batch.submit_all([2, 3, 4]))
    await runs.until_begun(1)
    runs.open[0].set_result(None)

    assert await many == [20, 30, 40]
    assert await alone == 10
    assert runs.begun == [[1, 2, 3, 4]]


async def test_the_items_of_one_caller_wait_for_a_run_that_has_room_for_them() -> None:
    runs = Runs()
    batch = Batch(run=runs, most=4)

    first = asyncio.create_task(batch.submit_all([1, 2, 3]))
    second = await begun(batch.submit_all([4, 5]))
    for number in range(2):
        await runs.until_begun(number + 1)
        runs.open[0].set_result(None)

    assert await first == [10, 20, 30]
    assert await second == [40, 50]
    assert runs.begun == [[1, 2, 3], [4, 5]]


async def test_of_more_items_than_the_most_each_run_takes_as_many() -> None:
    runs = Runs()
    batch = Batch(run=runs, most=2)

    many = await begun(batch.submit_all([1, 2, 3, 4, 5]))
    for number in range(3):
        await runs.until_begun(number + 1)
        runs.open[0].set_result(None)

    assert await many == [10, 20, 30, 40, 50]
    assert runs.begun == [[1, 2], [3, 4], [5]]


async def test_after_a_run_that_failed_no_later_item_of_its_caller_is_run() -> None:
    runs = Runs()
    batch = Batch(run=runs, most=2)
    many = await begun(batch.submit_all([1, 2, 3]))
    await runs.until_begun(1)

    runs.open[0].set_exception(Refused())

    with pytest.raises(Refused):
        await many
    await batch.close()
    assert runs.begun == [[1, 2]]


async def test_no_items_have_no_run() -> None:
    runs = Runs()

    assert await Batch(run=runs, most=2).submit_all([]) == []
    assert runs.begun == []


async def test_as_many_runs_are_under_way_as_allowed() -> None:
    runs = Runs()
    batch = Batch(run=runs, most=2, at_once=2)

    first = await hand_in(batch, 1)
    await runs.until_begun(1)
    second = await hand_in(batch, 2)
    await runs.until_begun(2)
    third = await hand_in(batch, 3)
    assert runs.begun == [[1], [2]]
    runs.open[1].set_result(None)
    await runs.until_begun(3)

    assert runs.begun == [[1], [2], [3]]
    runs.open[0].set_result(None)
    runs.open[1].set_result(None)
    assert await all_of(*first, *second, *third) == [10, 20, 30]


async def test_an_exception_of_the_run_reaches_each_of_its_callers_and_no_other() -> (
    None
):
    runs = Runs()
    batch = Batch(run=runs, most=2)
    callers = await hand_in(batch, 1, 2, 3)
    await runs.until_begun(1)

    runs.open[0].set_exception(Refused())
    await runs.until_begun(2)
    runs.open[0].set_result(None)

    ends = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(end) for end in ends] == [Refused, Refused, int]


async def test_a_run_that_is_cancelled_is_an_exception_to_its_callers() -> None:
    runs = Runs()
    batch = Batch(run=runs, most=2)
    callers = await hand_in(batch, 1, 2)
    await runs.until_begun(1)

    runs.open[0].cancel()

    ends = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(end) for end in ends] == [RunCut, RunCut]


async def test_a_run_that_loses_a_result_is_an_exception_to_its_callers() -> None:
    async def forgetful(items: Sequence[int]) -> Sequence[int]:
        return items[1:]

    batch = Batch(run=forgetful, most=2)

    with pytest.raises(ValueError, match="1 items had 0 results"):
        await batch.submit(1)


async def test_a_caller_cancelled_before_its_run_is_left_out() -> None:
    runs = Runs()
    batch = Batch(run=runs, most=2)
    first, second, third, fourth = await hand_in(batch, 1, 2, 3, 4)
    await runs.until_begun(1)

    third.cancel()
    runs.open[0].set_result(None)
    await runs.until_begun(2)
    runs.open[0].set_result(None)

    assert await all_of(first, second, fourth) == [10, 20, 40]
    assert runs.begun == [[1, 2], [4]]


async def test_a_caller_cancelled_during_its_run_cancels_no_other() -> None:
    runs = Runs()
    batch = Batch(run=runs, most=2)
    first, second = await hand_in(batch, 1, 2)
    await runs.until_begun(1)

    first.cancel()
    await asyncio.wait([first])
    runs.open[0].set_result(None)

    assert await second == 20
    assert first.cancelled()


async def test_when_all_callers_have_left_the_next_still_runs() -> None:
    runs = Runs()
    batch = Batch(run=runs, most=2)
    (first,) = await hand_in(batch, 1)
    await runs.until_begun(1)
    (second,) = await hand_in(batch, 2)

    first.cancel()
    second.cancel()
    await asyncio.wait([first, second])
    (third,) = await hand_in(batch, 3)
    runs.open[0].set_result(None)
    await runs.until_begun(2)
    runs.open[0].set_result(None)

    assert await third == 30
    assert runs.begun == [[1], [3]]


async def test_an_idle_batch_has_no_task() -> None:
    runs = Runs()
    batch = Batch(run=runs, most=2, at_once=2)
    callers = await hand_in(batch, 1, 2)
    await runs.until_begun(1)

    runs.open[0].set_result(None)
    await all_of(*callers)

    _, left = await asyncio.wait(our_tasks() or callers, timeout=5)
    assert left == set()


async def test_closing_waits_for_a_run_whose_callers_have_left() -> None:
    runs = Runs()
    batch = Batch(run=runs, most=2)
    (caller,) = await hand_in(batch, 1)
    await runs.until_begun(1)
    caller.cancel()

    closing = await begun(batch.close())
    assert not closing.done()
    runs.open[0].set_result(None)
    await closing

    assert runs.open == []


async def test_closing_an_idle_batch_does_not_wait() -> None:
    await Batch(run=Runs(), most=2).close()


@pytest.mark.parametrize(("most", "at_once"), [(0, 1), (1, 0)])
def test_a_batch_without_room_is_not_made(most: int, at_once: int) -> None:
    with pytest.raises(ValueError, match="room"):
        Batch(run=Runs(), most=most, at_once=at_once)


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["hand in", "hand in", "leave", "end", "fail", "go on"]),
        st.integers(min_value=0, max_value=20),
    ),
    max_size=40,
)


@dataclass(slots=True)
class Play:
    """Plays a script of arrivals, departures and ends of runs against a batch."""

    batch: Batch[int, int]
    runs: Runs
    callers: list[asyncio.Task[int]] = field(default_factory=list)
    most_at_once: int = 0

    async def step(self, what: str, which: int) -> None:
        match what:
            case "hand in":
                item = len(self.callers)
                self.callers.append(asyncio.create_task(self.batch.submit(item)))
            case "leave" if self.callers:
                self.callers[which % len(self.callers)].cancel()
            case "end" | "fail" if self.runs.open:
                self.finish(self.runs.open[which % len(self.runs.open)], what)
            case _:
                await asyncio.sleep(0)  # tasks go one step on: an interleaving
        self.most_at_once = max(self.most_at_once, len(self.runs.open))

    def finish(self, end: asyncio.Future[None], what: str) -> None:
        if not end.done():
            if what == "end":
                end.set_result(None)
            else:
                end.set_exception(Refused())

    async def to_the_end(self) -> None:
        closing = await begun(self.batch.close())
        while not closing.done():
            self.runs.began.clear()
            for end in list(self.runs.open):
                self.finish(end, "end")
            began = asyncio.create_task(self.runs.began.wait())
            await asyncio.wait([closing, began], return_when="FIRST_COMPLETED")
            began.cancel()
        await asyncio.wait(self.callers or [closing])


@given(
    steps=STEPS,
    most=st.integers(min_value=1, max_value=4),
    at_once=st.integers(min_value=1, max_value=3),
)
def test_each_item_is_run_once_in_order_with_its_own_result(
    steps: list[Step], most: int, at_once: int
) -> None:
    async def play() -> None:
        runs = Runs()
        play = Play(Batch(run=runs, most=most, at_once=at_once), runs)
        for what, which in steps:
            await play.step(what, which)
        await play.to_the_end()

        assert our_tasks() == set()
        assert all(caller.done() for caller in play.callers)
        assert play.most_at_once <= at_once
        assert all(1 <= len(run) <= most for run in runs.begun)
        run_items = [item for run in runs.begun for item in run]
        assert run_items == sorted(set(run_items))
        for item, caller in enumerate(play.callers):
            if caller.cancelled():
                continue
            assert item in run_items
            if caller.exception() is None:
                assert caller.result() == item * 10
            else:
                assert isinstance(caller.exception(), Refused)

    asyncio.run(play())
