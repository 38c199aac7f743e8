"""The border's peer in a process of its own, whose memory can be told from a client's.

It prints its port, and ends when its standard input does.
"""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen

import uvloop

from keyrelay.api.border.limits import BorderLimits, ConnectionLimits
from keyrelay.api.listening import Listening
from keyrelay.api.server import serve
from tests.contract.border_peer import Application, Serving

HOST = "127.0.0.1"
MOST = 4000  # connections


@dataclass(slots=True)
class Served:
    """A server in a process of its own."""

    pid: int
    peer: Serving

    def resident(self) -> int:
        """Return how many bytes of memory it has: proc(5), statm."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * 4096


@contextmanager
def served() -> Iterator[Served]:
    command = (sys.executable, "-m", __spec__.name)
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url
        yield Served(process.pid, Serving(_listening(), url=url))
        process.communicate()


def _listening() -> Listening:
    connections = ConnectionLimits(in_all=MOST, per_address=MOST)
    limits = BorderLimits(connections=connections)
    return Listening(host=HOST, port=0, limits=limits)


async def main() -> None:
    stop, application = asyncio.Event(), Application()
    async with serve(application, _listening(), stop) as url:
        print(url, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        application.release.set()


if __name__ == "__main__":
    uvloop.run(main())
