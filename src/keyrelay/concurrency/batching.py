"""Batching: items of concurrent callers, processed together in one run."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, islice, takewhile
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Group(Generic[Item, Result]):
    """Items of one caller, which share a run, and what will hold their results."""

    items: Sequence[Item]
    results: asyncio.Future[Sequence[Result]]


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
    _waiting: list[_Group[Item, Result]] = field(default_factory=list, init=False)
    _lanes: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        if self.most < 1 or self.at_once < 1:
            raise ValueError("a batch needs room for one item and for one run")

    async def submit(self, item: Item) -> Result:
        """Return the item's result, or raise what its run raised, or RunCut.

        A caller that is cancelled before its run begins takes its item out; later, the
        run goes on, as it is the run of other callers as well.
        """
        return (await self._submit((item,)))[0]

    async def submit_all(self, items: Sequence[Item]) -> Sequence[Result]:
        """Return the results of the items, in their order; each `most` share a run.

        Raises as `submit` does, and then no later item has been in a run.
        """
        if len(items) <= self.most:
            return await self._submit(items) if items else []
        results: list[Result] = []
        for first in range(0, len(items), self.most):
            results += await self._submit(items[first : first + self.most])
        return results

    async def _submit(self, items: Sequence[Item]) -> Sequence[Result]:
        group = _Group(items, asyncio.get_running_loop().create_future())
        self._waiting.append(group)
        if len(self._lanes) < self.at_once:
            self._lanes.add(asyncio.create_task(self._work()))
        return await group.results

    async def close(self) -> None:
        """Return once no run is under way, not even for callers that were cancelled."""
        while self._lanes:
            await asyncio.wait(self._lanes)

    async def _work(self) -> None:
        while groups := self._next():
            # A task of its own, so that its callers get whatever it ends with.
            items = [item for group in groups for item in group.items]
            ended, _ = await asyncio.wait([asyncio.create_task(self._perform(items))])
            _share(ended.pop(), groups)
        # No await since the last look at what waits, so no item can have arrived.
        self._lanes.difference_update({asyncio.current_task()})

    def _next(self) -> Sequence[_Group[Item, Result]]:
        wanted = [group for group in self._waiting if not group.results.done()]
        counts = accumulate(len(group.items) for group in wanted)
        taken = sum(1 for _ in takewhile(lambda count: count <= self.most, counts))
        self._waiting[:] = wanted[taken:]
        return wanted[:taken]

    async def _perform(self, items: Sequence[Item]) -> Sequence[Result]:
        results = await self.run(items)
        if len(results) != len(items):
            raise ValueError(f"{len(items)} items had {len(results)} results")
        return results


class RunCut(Exception):
    """The run was cancelled; whether its items were processed is not known."""


def _share(
    run: asyncio.Task[Sequence[Result]], groups: Sequence[_Group[Item, Result]]
) -> None:
    # An exception: a caller that was not cancelled must not end as if it had been.
    fault = RunCut() if run.cancelled() else run.exception()
    results = iter(() if fault else run.result())
    for group in groups:
        own = [*islice(results, len(group.items))]
        if group.results.done():  # its caller was cancelled
            continue
        if fault is None:
            group.results.set_result(own)
        else:
            group.results.set_exception(fault)
