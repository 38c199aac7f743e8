"""Batching: items of concurrent callers, processed together in one run."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch(Generic[Item, Result]):
    """Collects the items that arrive while `run` is busy, for the next run.

    `run` gets up to `most` items, in the order of their arrival, and returns one
    result for each. At most `at_once` runs are under way, and an item never joins one
    that has begun. There is no delay: while fewer runs are under way, an item starts
    one at once. An idle batch has no task. Raises ValueError for a limit below 1.
    """

    run: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]
    most: int
    at_once: int = 1
    _waiting: list[tuple[Item, asyncio.Future[Result]]] = field(
        default_factory=list, init=False
    )
    _lanes: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        if self.most < 1 or self.at_once < 1:
            raise ValueError("a batch needs room for one item and for one run")

    async def submit(self, item: Item) -> Result:
        """Return the item's result, or raise what its run raised, or RunCut.

        A caller that is cancelled before its run begins takes its item out; later, the
        run goes on, as it is the run of other callers as well.
        """
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, result))
        if len(self._lanes) < self.at_once:
            self._lanes.add(asyncio.create_task(self._work()))
        return await result

    async def close(self) -> None:
        """Return once no run is under way, not even for callers that were cancelled."""
        while self._lanes:
            await asyncio.wait(self._lanes)

    async def _work(self) -> None:
        while batch := self._next():
            # A task of its own, so that its callers get whatever it ends with.
            items = [item for item, _ in batch]
            ended, _ = await asyncio.wait([asyncio.create_task(self._perform(items))])
            _share(ended.pop(), [result for _, result in batch])
        # No await since the last look at what waits, so no item can have arrived.
        self._lanes.difference_update({asyncio.current_task()})

    def _next(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        wanted = [entry for entry in self._waiting if not entry[1].done()]
        self._waiting[:] = wanted[self.most :]
        return wanted[: self.most]

    async def _perform(self, items: Sequence[Item]) -> Sequence[Result]:
        results = await self.run(items)
        if len(results) != len(items):
            raise ValueError(f"{len(items)} items had {len(results)} results")
        return results


async def together(
    act: Callable[[Item], Awaitable[Result]], items: Sequence[Item]
) -> Sequence[Result]:
    """Do the same with all items at once; return the results in their order.

    Raises what one raises, and then nothing is left behind that nothing waits for.
    """
    acting = [asyncio.ensure_future(act(each)) for each in items]
    try:
        return await asyncio.gather(*acting)
    finally:
        for each in acting:
            each.cancel()
        await asyncio.gather(*acting, return_exceptions=True)


class RunCut(Exception):
    """The run was cancelled; whether its items were processed is not known."""


def _share(
    run: asyncio.Task[Sequence[Result]], waiting: Sequence[asyncio.Future[Result]]
) -> None:
    # An exception: a caller that was not cancelled must not end as if it had been.
    fault = RunCut() if run.cancelled() else run.exception()
    for number, result in enumerate(waiting):
        if result.done():  # its caller was cancelled
            continue
        if fault is None:
            result.set_result(run.result()[number])
        else:
            result.set_exception(fault)
