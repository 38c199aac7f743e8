"""Client: requests sent as they are, over connections that are kept."""

import asyncio
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import uvloop

from tests.bench.measure import Measure, Stopwatch

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


class Refused(Exception):
    """A request was not answered with a success."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """An application: its name, its process, and where it listens."""

    name: str
    process: int
    port: int

    def measure(
        self, requests: Sequence[bytes], connections: int, count: int
    ) -> Measure:
        """Send all requests; return what its process took for `count` of anything."""
        before, stopwatch = self._cpu(), Stopwatch()
        uvloop.run(_send_all(self.port, iter(requests), connections))
        wall = stopwatch.read(self.name, count).wall
        cpu = self._cpu() - before
        return Measure(name=self.name, count=count, wall=wall, cpu=cpu)

    def _cpu(self) -> timedelta:
        """See proc(5): fields 14 and 15, counted behind the name, which has blanks."""
        stat = Path(f"/proc/{self.process}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        return timedelta(seconds=ticks / os.sysconf("SC_CLK_TCK"))


async def _send_all(port: int, requests: Iterator[bytes], connections: int) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(_send(port, requests))


async def _send(port: int, requests: Iterator[bytes]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if length is None or not head.startswith(b"HTTP/1.1 2"):
            raise Refused(head.decode(errors="replace"))
        await reader.readexactly(int(length[1]))
    writer.close()
    await writer.wait_closed()
