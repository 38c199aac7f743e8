"""Hosting: scripts run as the worker runs them, and what is left of them."""

import asyncio
import os
import secrets
import select
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

from keyrelay.dispatchers.script.ending import Exited, RunEnding
from keyrelay.dispatchers.script.environment import ScriptContext, environment_of
from keyrelay.dispatchers.script.forwarding import Dial
from keyrelay.dispatchers.script.interpreter import Interpreter, Language, python
from keyrelay.dispatchers.script.limits import (
    MIB,
    FileLimits,
    OutputLimits,
    ScriptLimits,
)
from keyrelay.dispatchers.script.process import ScriptHost, run_script
from keyrelay.dispatchers.script.run import HostedRun
from keyrelay.dispatchers.script.sandbox import API_PORT, ScriptNetwork
from keyrelay.dispatchers.script.wall import Wall, find_wall

CANARY = "canary-6fd1c2"
ROOMY = ScriptLimits(wall=timedelta(seconds=30))
SMALL = ScriptLimits(
    wall=timedelta(seconds=20),
    memory=96 * MIB,
    processes=48,
    output=OutputLimits(size=256 * 1024, lines=1_000, line=4_096),
    files=FileLimits(size=2 * MIB, number=200, total=8 * MIB),
)
SHORT = replace(SMALL, wall=timedelta(seconds=1))
# The system's Python can be read by every user, which that of a person may not be.
SYSTEM_PYTHON = Path(f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}")

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def no_api() -> Connection:
    raise ConnectionRefusedError


async def no_line(line: str) -> None:
    """Take a line, and do nothing with it."""


@dataclass(frozen=True, slots=True)
class Site:
    """A wall, and the Python behind it."""

    wall: Wall
    interpreter: Interpreter

    def host(self, dial: Dial = no_api) -> ScriptHost:
        return ScriptHost(wall=self.wall, network=ScriptNetwork.API, dial=dial)


@dataclass(slots=True)
class Ran:
    """What came of a run."""

    ending: RunEnding
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def our_site() -> Site:
    """Runs are the user's that runs the test, behind the wall."""
    ours = python()
    wall = find_wall(ours, ours)
    return Site(replace(wall, own_users=False), ours)


def own_users_site() -> Site | None:
    """Each run is a user's of its own, where this machine can have that."""
    system = Interpreter(language=Language.PYTHON, program=SYSTEM_PYTHON)
    if os.geteuid() != 0 or not SYSTEM_PYTHON.exists():
        return None
    wall = find_wall(system, system)
    return Site(wall, system) if wall.own_users else None


def a_run(
    code: str,
    interpreter: Interpreter,
    *,
    name: str = "script.py",
    pairs: Sequence[tuple[str, str]] = (("password", CANARY),),
) -> HostedRun:
    return an_archive(dedent(code).encode(), interpreter, name=name, pairs=pairs)


def an_archive(
    content: bytes,
    interpreter: Interpreter,
    *,
    name: str,
    pairs: Sequence[tuple[str, str]] = (),
) -> HostedRun:
    context = ScriptContext(
        analysis="an-analysis",
        token="a-token",
        pairs=pairs,
        scope="[]",
        api=f"http://127.0.0.1:{API_PORT}",
        events=f"http://127.0.0.1:{API_PORT}/events",
    )
    return HostedRun(
        interpreter=interpreter,
        file_name=name,
        content=content,
        environment=environment_of(context, interpreter),
    )


async def ran(run: HostedRun, site: Site, limits: ScriptLimits = SMALL) -> Ran:
    return await ran_on(run, site.host(), limits)


async def ran_on(run: HostedRun, host: ScriptHost, limits: ScriptLimits) -> Ran:
    lines: list[str] = []

    async def take(line: str) -> None:
        lines.append(line)

    return Ran(await run_script(run, limits, host, take), lines)


async def contained(
    code: str, site: Site, limits: ScriptLimits = SMALL, **given: str
) -> Ran:
    """Run it, see to it that nothing of it is left, and that the next run is well."""
    marker = f"hostile-{secrets.token_hex(8)}"
    before = descriptors()
    filled = dedent(code).format(**given) if given else code

    result = await ran(
        a_run(filled, site.interpreter, name=f"{marker}.py"), site, limits
    )
    assert processes_of(marker) == []
    assert descriptors() == before

    following = await ran(a_run("print('well')", site.interpreter), site, ROOMY)
    assert (following.ending.end, following.lines) == (Exited(0), ["well"])
    return result


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - as cheap as can be


def processes_of(marker: str) -> list[int]:
    """Return the processes of this machine whose command has that word."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and marker.encode() in command_of(process):
            found.append(int(process.name))
    return found


def command_of(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def wait_for_end(pidfds: Sequence[int], patience: timedelta) -> bool:
    """Return whether all of these processes end in time."""
    left = set(pidfds)
    while left:
        ended, _, _ = select.select([*left], [], [], patience.total_seconds())
        if not ended:
            return False
        left -= set(ended)
    return True


@dataclass(frozen=True, slots=True)
class ScriptDial:
    port: int

    async def __call__(self) -> Connection:
        return await asyncio.open_connection("127.0.0.1", self.port)


@asynccontextmanager
async def an_api(answer: bytes) -> AsyncIterator[ScriptDial]:
    """A server on loopback that answers each request with that body."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.0 200 OK\r\nContent-Length: {len(answer)}\r\n\r\n"
        writer.write(head.encode() + answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield ScriptDial(port)
