"""Shell: the `keyrelay` command, run as a reader would run it."""

import shlex
import sys
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from keyrelay.demo.output import Output

LOG = "worker.log"


class UnexpectedAnswer(Exception):
    """A command did not do what it always does; the message says which and what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """Runs commands in `directory`; `printed` is all that they have printed."""

    output: Output
    directory: Path
    environment: Mapping[str, str]
    printed: list[str] = field(default_factory=list)

    def write(self, file: str, text: str, shown: int = 0) -> None:
        """Write a file, and show so many lines of it."""
        (self.directory / file).write_text(text, encoding="utf-8")
        if shown:
            self.output.command(f"head -{shown} {file}")
            self.output.lines(text.splitlines()[:shown])

    async def run(
        self, line: str, given: str = "", codes: Collection[int] = (0,), shown: int = 12
    ) -> list[str]:
        """Return what a command prints, or its error. Raises UnexpectedAnswer."""
        if shown:
            self.output.command(f"keyrelay {line}")
        async with self._process(line, PIPE) as process:
            printed = await process.communicate(given.encode())
        out, err = (text.decode() for text in printed)
        self.printed.extend((out, err))
        if process.returncode not in codes:
            said = " ".join((err or out).split())
            raise UnexpectedAnswer(f"`keyrelay {line}`: {process.returncode}, {said}")
        answer = [text for text in (out or err).splitlines() if text.strip()]
        self.output.lines(answer[:shown])
        if shown and len(answer) > shown:
            self.output.lines([f"… and {len(answer) - shown} lines more"])
        return answer

    @asynccontextmanager
    async def worker(self, line: str) -> AsyncIterator[Process]:
        """Show and start a worker that writes to the log; it ends with the block."""
        self.output.command(f"keyrelay {line}")
        with (self.directory / LOG).open("ab") as out:
            async with self._process(line, out) as process:
                yield process

    @asynccontextmanager
    async def _process(self, line: str, out: IO[bytes] | int) -> AsyncIterator[Process]:
        start = partial(create_subprocess_exec, stdin=PIPE, stdout=out, stderr=out)
        command = (sys.executable, "-m", "keyrelay", *shlex.split(line))
        # In a session of its own: Ctrl-C is for the demo, which ends it.
        process = await start(
            *command, cwd=self.directory, env=self.environment, start_new_session=True
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
