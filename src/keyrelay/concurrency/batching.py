"""Batching: what concurrent callers hand in, done together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch(Generic[Item, Result]):
    """Gathers what arrives while `run` is busy, and runs it together next.

    `run` gets up to `most` items, in the order of their arrival, and returns one
    result for each. At most `at_once` runs are under way; an item never joins one
    that has begun. Nothing waits for company: without a run under way the next
    begins at once, and with nothing to do there is no task.
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
        """Return the item's result, or raise what its run raised.

        Cancelled before its run began, the item is left out; afterwards the run
        goes on, for it is other callers' run too.
        """
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, result))
        if len(self._lanes) < self.at_once:
            self._lanes.add(asyncio.create_task(self._work()))
        return await result

    async def close(self) -> None:
        """Return once nothing is under way, not even for callers that have left."""
        while self._lanes:
            await asyncio.wait(self._lanes)

    async def _work(self) -> None:
        while batch := self._next():
            # A task of its own: whatever it ends with, its callers end with.
            items = [item for item, _ in batch]
            ended, _ = await asyncio.wait([asyncio.create_task(self._perform(items))])
            _share(ended.pop(), [result for _, result in batch])
        # No await since nothing was waiting, so no item can have come in between.
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


class RunCut(Exception):
    """The run was cancelled; whether its items were done is not known."""


def _share(
    run: asyncio.Task[Sequence[Result]], waiting: Sequence[asyncio.Future[Result]]
) -> None:
    # As an exception: a caller that nobody cancelled must not end as if cancelled.
    fault = RunCut() if run.cancelled() else run.exception()
    for number, result in enumerate(waiting):
        if result.done():  # its caller has left
            continue
        if fault is None:
            result.set_result(run.result()[number])
        else:
            result.set_exception(fault)
