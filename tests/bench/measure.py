"""Measure: how many of something took how much time, and how much of a processor."""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long half of them waited at most, and 99 of 100."""

    median: timedelta
    most: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """`wall` is the time that passed, `cpu` what was computed of it; `peak` are the
    bytes that one process held in memory at most."""

    name: str
    count: int
    wall: timedelta
    cpu: timedelta
    peak: int | None = None
    waits: Waits | None = None

    @property
    def per_second(self) -> float:
        return self.count / self.wall.total_seconds()

    @property
    def cpu_each(self) -> timedelta:
        return self.cpu / self.count


@dataclass(slots=True)
class Stopwatch:
    """Says what passed since it was made, of one kind of processor time."""

    who: int = resource.RUSAGE_SELF
    _wall: float = field(default_factory=time.perf_counter, init=False)
    _cpu: float = field(init=False)

    def __post_init__(self) -> None:
        self._cpu = _cpu(self.who)

    def read(self, name: str, count: int) -> Measure:
        return Measure(
            name=name,
            count=count,
            wall=timedelta(seconds=time.perf_counter() - self._wall),
            cpu=timedelta(seconds=_cpu(self.who) - self._cpu),
        )


@contextmanager
def measuring(
    name: str, count: int, report: Callable[[Measure], None]
) -> Iterator[None]:
    """Report what the block, run by this process, took for `count` of them."""
    stopwatch = Stopwatch()
    yield
    report(stopwatch.read(name, count))


def _cpu(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime
