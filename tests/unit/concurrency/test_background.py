"""Background tasks: cancelled with their block, and never lost when they fail."""

import asyncio

import pytest

from keyrelay.concurrency.background import background


async def fail() -> None:
    raise LookupError


async def test_the_task_is_cancelled_and_awaited_at_the_end_of_the_block() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with background(work()) as task:
        await asyncio.wait([task], timeout=0)

    assert ended.is_set()
    assert task.cancelled()


async def test_what_the_task_raised_is_raised_at_the_end_of_the_block() -> None:
    with pytest.raises(LookupError):
        async with background(fail()) as task:
            await asyncio.wait([task])


async def test_what_the_block_raised_comes_before_what_the_task_raised() -> None:
    async def fail_beside_a_task_that_fails() -> None:
        async with background(fail()) as task:
            await asyncio.wait([task])
            assert isinstance(task.exception(), LookupError)
            raise KeyError

    with pytest.raises(KeyError):
        await fail_beside_a_task_that_fails()


async def test_a_task_that_ends_by_itself_raises_nothing() -> None:
    async with background(asyncio.sleep(0, "result")) as task:
        await asyncio.wait([task])

    assert task.result() == "result"
