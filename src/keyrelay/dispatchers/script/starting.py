"""Starting: bubblewrap as a process of ours, and what the launcher hands out."""

import asyncio
import ctypes
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib import resources
from typing import IO, Self

from keyrelay.dispatchers.script.environment import flaw_of
from keyrelay.dispatchers.script.limits import ScriptLimits
from keyrelay.dispatchers.script.run import HostedRun, order_of
from keyrelay.dispatchers.script.sandbox import (
    API_PORT,
    LAUNCHER,
    Sandbox,
    ScriptNetwork,
    arguments,
    contents,
    handed,
    refused,
)
from keyrelay.dispatchers.script.wall import Wall

_PACKAGE = "keyrelay.dispatchers.script"
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_LONGEST_REASON = 1_024
_PATIENCE = 5  # seconds


class NotLaunched(Exception):
    """There is no sandbox; the message is a part of a sentence that says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """Descriptors of a sandbox, which its launcher handed out before the script ran.

    `first` is a pidfd of the first process: when that one has ended, all have.
    """

    processes: int
    scratch: int
    first: int
    listener: int | None

    def reap(self) -> None:
        """Leave no zombie: bubblewrap ends before its first process was waited for."""
        with suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, self.first, os.WEXITED | os.WNOHANG)

    def refuse(self) -> None:
        """Close the listener, where nothing serves it."""
        if self.listener is not None:
            os.close(self.listener)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close all but the listener, which belongs to what serves it."""
        for descriptor in (self.processes, self.scratch, self.first):
            os.close(descriptor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A bubblewrap that has been started; `output` is what all inside print to."""

    program: subprocess.Popen[bytes]
    channel: socket.socket
    output: IO[bytes]

    async def hello(self) -> Inside | None:
        """Return what the launcher hands out, or None if it has ended before."""
        await readable(self.channel.fileno())
        # As many as there can be; without the flag they would be inheritable.
        flag = socket.MSG_CMSG_CLOEXEC
        message, shown, _, _ = socket.recv_fds(self.channel, 1, 4, flag)
        if not message:
            return None
        processes, scratch, first, *listener = shown
        return Inside(
            processes=processes,
            scratch=scratch,
            first=first,
            listener=listener[0] if listener else None,
        )

    async def order(self, run: HostedRun, limits: ScriptLimits) -> None:
        """Tell the launcher what to run."""
        text = json.dumps(order_of(run, limits)).encode()
        # A launcher that is gone is noticed by its end, not by the broken channel.
        with suppress(OSError):
            await asyncio.get_running_loop().sock_sendall(self.channel, text)
            self.channel.shutdown(socket.SHUT_WR)

    async def ended(self) -> int:
        """Return the exit code of the script, once its process has ended.

        A signal that ends bubblewrap itself counts as one that ends the script.
        """
        if self.program.returncode is None:
            pidfd = os.pidfd_open(self.program.pid)
            try:
                await readable(pidfd)
            finally:
                os.close(pidfd)
        code = self.program.wait()
        return code if code >= 0 else 128 - code

    def refusal(self) -> str | None:
        """Return why the launcher, which has ended, did not start the script."""
        try:
            said = self.channel.recv(_LONGEST_REASON)
        except OSError:
            return None
        return said.decode(errors="replace") or None

    async def kill(self, inside: Inside) -> None:
        """Kill all inside, and return when the last one has ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(inside.first, signal.SIGKILL)
        await readable(inside.first)
        await self._end()
        inside.reap()

    async def abandon(self) -> None:
        """End a sandbox that is still starting, if it is; a killed one has ended."""
        if self.program.returncode is not None:
            return
        # A bubblewrap that is killed while it starts can leave a process that waits
        # for it: hence it may start, and is killed by its first process then.
        with suppress(TimeoutError):
            inside = await asyncio.wait_for(self.hello(), _PATIENCE)
            if inside is not None:
                with inside:
                    inside.refuse()
                    await self.kill(inside)
        await self._end()

    async def _end(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.ended(), _PATIENCE)
        self.program.kill()
        self.program.wait()


@contextmanager
def launched(
    run: HostedRun, wall: Wall, limits: ScriptLimits, network: ScriptNetwork
) -> Iterator[Launch]:
    """Start bubblewrap, which is to be killed within the block.

    Raises NotLaunched.
    """
    if (flaw := flaw_of(run.environment)) is not None:
        raise NotLaunched(flaw)
    with ExitStack() as ours, ExitStack() as theirs:
        channel, far = socket.socketpair()
        ours.enter_context(channel).setblocking(False)  # noqa: FBT003 - socket's own
        theirs.enter_context(far)
        reading, writing = os.pipe()
        theirs.callback(os.close, writing)
        output = ours.enter_context(os.fdopen(reading, "rb", buffering=0))
        box = Sandbox(
            trees=(*wall.launcher.trees, *run.interpreter.trees),
            disk=limits.files.total,
            network=network,
            files=_files(network, theirs),
            refused=refused(theirs),
            kept=run.kept,
        )
        program = _start(box, wall, far, writing)
        theirs.close()
        yield Launch(program=program, channel=channel, output=output)


def _files(network: ScriptNetwork, theirs: ExitStack) -> dict[str, int]:
    launcher = resources.files(_PACKAGE).joinpath("launcher.py").read_bytes()
    made = contents(network, launcher)
    return {path: handed(content, theirs) for path, content in made.items()}


def _start(
    box: Sandbox, wall: Wall, channel: socket.socket, output: int
) -> subprocess.Popen[bytes]:
    port = API_PORT if box.network is ScriptNetwork.API else 0
    launcher = [str(wall.launcher.program), "-I", "-S", LAUNCHER, str(port)]
    user = wall.user()
    _adopt_orphans()
    try:
        return subprocess.Popen(  # noqa: S603 - bwrap, with arguments of ours
            [str(wall.bwrap), *arguments(box, launcher)],
            stdin=channel.fileno(),
            stdout=output,
            stderr=output,
            # Inside, /proc/1/environ shows what bubblewrap was started with.
            env={},
            pass_fds=box.descriptors,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
    except OSError as error:
        raise NotLaunched(f"bwrap cannot be run ({error.strerror})") from None


def _adopt_orphans() -> None:
    """Become the parent of a sandbox's first process once bubblewrap has ended.

    Otherwise that is the first process of the machine, which in a container may wait
    for none: see prctl(2), PR_SET_CHILD_SUBREAPER.
    """
    values = (ctypes.c_ulong(number) for number in (1, 0, 0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, *values)


async def readable(descriptor: int) -> None:
    """Return once there is something to read: of a pidfd, the end of its process."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
