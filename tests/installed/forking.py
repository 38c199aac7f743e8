"""Forking: commands that end by themselves, each in a process forked for it."""

import atexit
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TextIO

from tests.installed import fork_server

KEYRELAY = Path(sys.executable).parent / "keyrelay"


class ServerEnded(Exception):
    """The fork server ended before the command did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended. `said` is both its outputs, for what stands in either."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


def run_forked(
    arguments: Sequence[str], environment: Mapping[str, str], given: str | None
) -> Ended:
    """Run `keyrelay` with these arguments; `given` is what it can read."""
    with ExitStack() as stack:
        standard = [stack.enter_context(_text_file()) for _ in range(3)]
        standard[0].write(given or "")
        standard[0].seek(0)
        request = {
            "arguments": arguments,
            "environment": environment,
            "directory": str(Path.cwd()),
        }
        code = _asked(json.dumps(request).encode(), standard)
        for each in standard:
            each.seek(0)
        return Ended(code=code, out=standard[1].read(), err=standard[2].read())


def run_started(
    arguments: Sequence[str], environment: Mapping[str, str], given: str | None
) -> Ended:
    """As `run_forked`, in an interpreter of its own, which reads its environment."""
    ended = subprocess.run(
        [KEYRELAY, *arguments],
        env=environment,
        input=given or "",
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )
    return Ended(code=ended.returncode, out=ended.stdout, err=ended.stderr)


def _asked(message: bytes, standard: Sequence[TextIO]) -> int:
    answered, answer = os.pipe()
    with os.fdopen(answered, "rb") as reading:
        try:
            files = [*(each.fileno() for each in standard), answer]
            socket.send_fds(_channel(), [message], files)
        finally:
            os.close(answer)
        code = reading.read()
    if not code:
        raise ServerEnded
    return int(code)


@cache
def _channel() -> socket.socket:
    """Start the server of this process, once."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        its.set_inheritable(True)
        server = subprocess.Popen(
            [sys.executable, "-m", fork_server.__name__, str(its.fileno()), KEYRELAY],
            pass_fds=[its.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    atexit.register(_end, ours, server)
    return ours


def _end(channel: socket.socket, server: "subprocess.Popen[bytes]") -> None:
    channel.close()
    server.wait()


def _text_file() -> TextIO:
    return tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogateescape")
