"""Gauge: what a worker's process has handled and used so far, told on its output."""

import asyncio
import json
import resource
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`at` and `cpu` are seconds, `peak` bytes. Two readings make a measure."""

    handled: int
    at: float
    cpu: float
    peak: int


@dataclass(slots=True, kw_only=True)
class Gauge:
    """Tells all it knows when asked by SIGUSR1; with a `count`, of its own accord at
    the first trigger and at that one, and never else."""

    count: int
    _handled: int = field(default=0, init=False)

    def note(self) -> None:
        """Count one more trigger that was handled."""
        self._handled += 1
        if self.count and self._handled in (1, self.count):
            self.tell()

    def tell(self) -> None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        reading = Reading(
            handled=self._handled,
            at=time.time(),
            cpu=usage.ru_utime + usage.ru_stime,
            peak=_peak() or usage.ru_maxrss * 1024,
        )
        print(json.dumps(asdict(reading)), flush=True)


def listen(gauge: Gauge) -> asyncio.Event:
    """Let signals be answered; the event is set once the process is to end."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, gauge.tell)
    # Its end is the end of the bench, however that came to it.
    loop.add_reader(sys.stdin, stop.set)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def read(line: str) -> Reading:
    return Reading(**json.loads(line))


def _peak() -> int | None:
    """Return our own peak: that of rusage is the starting process's, if larger."""
    if not _STATUS.exists():
        return None
    (line,) = (
        line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:")
    )
    return int(line.split()[1]) * 1024
