"""Process: one run of a script, from its start to the end of all that it started."""

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import IO

from keyrelay.concurrency.background import background
from keyrelay.dispatchers.script.ending import (
    Exited,
    Lost,
    NotStarted,
    OverLimit,
    OverTime,
    RunEnd,
    RunEnding,
)
from keyrelay.dispatchers.script.forwarding import Dial, forwarding
from keyrelay.dispatchers.script.limits import Resource, ScriptLimits
from keyrelay.dispatchers.script.output import CHUNK, Printed, TakeLine
from keyrelay.dispatchers.script.priority import yield_processors
from keyrelay.dispatchers.script.run import HostedRun
from keyrelay.dispatchers.script.sandbox import ScriptNetwork
from keyrelay.dispatchers.script.starting import (
    Inside,
    Launch,
    NotLaunched,
    launched,
)
from keyrelay.dispatchers.script.usage import Meter
from keyrelay.dispatchers.script.wall import Wall

# What the kernel ends a process with that is over a limit of its own.
_SIGNALS = {
    128 + signal.SIGXCPU: Resource.CPU,
    128 + signal.SIGXFSZ: Resource.FILE_SIZE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptHost:
    """Where scripts run: behind which wall, and what they reach beyond it.

    `dial` connects to our API, for runs whose network is `api`.
    """

    wall: Wall
    network: ScriptNetwork
    dial: Dial
    clock: Callable[[], float] = time.monotonic


# Returns once the run is another worker's, or may be; as a rule, never.
UntilLost = Callable[[], Awaitable[object]]


async def never() -> None:
    """Be cancelled, and nothing else (UntilLost)."""
    await asyncio.Event().wait()


async def run_script(
    run: HostedRun,
    limits: ScriptLimits,
    host: ScriptHost,
    take: TakeLine,
    lost: UntilLost = never,
) -> RunEnding:
    """Run it, hand each line that it prints to `take`, and say how it ended.

    It is killed once `lost` returns. When this returns, or is cancelled, nothing that
    the script started is left, and neither are its files. That is so, too, if this
    process is killed meanwhile. An exception of `take` ends the run, and is raised.
    """
    started = host.clock()
    printed = Printed(limits.output, take)
    try:
        with launched(run, host.wall, limits, host.network) as launch:
            try:
                end, peak = await _Running(launch, limits, printed, lost).end(run, host)
            finally:
                await launch.abandon()
    except NotLaunched as fact:
        end, peak = NotStarted(str(fact)), 0
    return RunEnding(
        end=end,
        duration=timedelta(seconds=host.clock() - started),
        peak_memory=peak,
        last_lines=(*printed.last,),
    )


@dataclass(frozen=True, slots=True)
class _Running:
    launch: Launch
    limits: ScriptLimits
    printed: Printed
    lost: UntilLost

    async def end(self, run: HostedRun, host: ScriptHost) -> tuple[RunEnd, int]:
        """Run it to its end; return that, and the highest use of memory."""
        async with _reading(self.launch.output, self.printed) as reading:
            inside = await self._inside(reading)
            with inside:
                meter = Meter(inside.processes, inside.scratch, self.limits)
                try:
                    yielding = yield_processors(inside.first)
                    async with _way_out(inside, host.dial), background(yielding):
                        end = await self._first_end(run, meter, reading)
                finally:
                    await self.launch.kill(inside)
                # To the end, as nothing is left that could print.
                await reading
                return self._final(end, meter), meter.peak_memory

    async def _inside(self, reading: asyncio.Future[Resource | None]) -> Inside:
        """Return what the launcher hands out; if there is none, nothing is left."""
        inside = None
        with suppress(TimeoutError):
            async with asyncio.timeout(self.limits.wall.total_seconds()):
                inside = await self.launch.hello()
        if inside is None:
            await self.launch.abandon()
            await reading
            said = self.printed.last or ["bwrap did not start in time"]
            raise NotLaunched(said[-1])
        return inside

    async def _first_end(
        self, run: HostedRun, meter: Meter, reading: asyncio.Future[Resource | None]
    ) -> RunEnd:
        """Return what comes first: its own end, that of a limit, or its run's loss."""
        exited = asyncio.ensure_future(self._exit(run))
        used = asyncio.ensure_future(meter.over_limit())
        told = asyncio.ensure_future(_too_much(reading))
        lost = asyncio.ensure_future(self.lost())
        wall = self.limits.wall
        ways = (exited, used, told, lost)
        try:
            await asyncio.wait(
                ways, timeout=wall.total_seconds(), return_when=asyncio.FIRST_COMPLETED
            )
            if exited.done():
                return Exited(exited.result())
            for over in (used, told):
                if over.done():
                    return self._over(over.result())
            return Lost() if lost.done() else OverTime(wall)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)

    async def _exit(self, run: HostedRun) -> int:
        await self.launch.order(run, self.limits)
        return await self.launch.ended()

    def _final(self, end: RunEnd, meter: Meter) -> RunEnd:
        """Return how it ended, in the light of what it has left."""
        if not isinstance(end, Exited):
            return end
        refusal = self.launch.refusal()
        if refusal is not None:
            return NotStarted(refusal)
        over = _SIGNALS.get(end.code) or self.printed.over or meter.look()
        return end if over is None else self._over(over)

    def _over(self, resource: Resource) -> OverLimit:
        return OverLimit(resource, self.limits.of(resource))


@asynccontextmanager
async def _reading(
    output: IO[bytes], printed: Printed
) -> AsyncIterator[asyncio.Future[Resource | None]]:
    """Read what is printed while the block runs."""
    loop = asyncio.get_running_loop()
    stream = asyncio.StreamReader(limit=CHUNK)
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), output
    )
    reading = asyncio.ensure_future(printed.read(stream))
    try:
        yield reading
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        transport.close()


async def _too_much(reading: asyncio.Future[Resource | None]) -> Resource:
    """Return once more was printed than may be; a closed output is no end."""
    over = await asyncio.shield(reading)
    if over is None:
        over = await asyncio.get_running_loop().create_future()
    return over


@asynccontextmanager
async def _way_out(inside: Inside, dial: Dial) -> AsyncIterator[None]:
    if inside.listener is None:
        yield
        return
    async with forwarding(socket.socket(fileno=inside.listener), dial):
        yield
