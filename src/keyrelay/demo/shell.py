"""Shell: the `keyrelay` command, run as a reader would run it."""

import asyncio
import json
import os
import shlex
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from keyrelay.demo.stage import Stage

_MOST_LINES = 12  # of a command's output
_GRACE = 10.0  # seconds for a worker to stop in, when the story is cut short


class UnexpectedAnswer(Exception):
    """A command did not do what it always does; the message says which and what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A command, its input and its exit code; `most` so many lines of it are shown."""

    words: Sequence[str]
    given: bytes = b""
    code: int = 0
    most: int = _MOST_LINES


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """Runs commands in `directory`; `said` is all that they have printed."""

    stage: Stage
    directory: Path
    environment: Mapping[str, str]
    said: list[str] = field(default_factory=list)

    async def run(self, *calls: Call) -> list[list[str]]:
        """Run commands together, then show each and what it says.

        Raises UnexpectedAnswer.
        """
        answers = await asyncio.gather(*(self.ask(call) for call in calls))
        for call, lines in zip(calls, answers, strict=True):
            self.stage.command(["keyrelay", *call.words])
            self.stage.output(lines[: call.most])
            if len(lines) > call.most:
                self.stage.output([f"… and {len(lines) - call.most} lines more"])
        return answers

    async def ask(self, call: Call) -> list[str]:
        """Run a command unseen. Raises UnexpectedAnswer, for another exit code too."""
        process = await self._start(call.words, given=PIPE, out=PIPE)
        async with _surely_ended(process):
            out, err = (text.decode() for text in await process.communicate(call.given))
        self.said.extend((out, err))
        if process.returncode != call.code:
            command = f"keyrelay {shlex.join(call.words)}"
            last = " ".join((err or out).splitlines()[-3:])
            raise UnexpectedAnswer(
                f"`{command}` ended with {process.returncode}: {last}"
            )
        return [line.rstrip() for line in out.splitlines() if line.strip()]

    async def ask_list(self, *words: str) -> list[dict[str, object]]:
        """Return what a list command knows. Raises UnexpectedAnswer."""
        lines = await self.ask(Call(words=[*words, "--json"]))
        found = json.loads("\n".join(lines))
        if not isinstance(found, list):
            raise UnexpectedAnswer(f"`keyrelay {shlex.join(words)}` printed no list")
        return found

    @asynccontextmanager
    async def worker(self, *words: str) -> AsyncIterator[Process]:
        """Show and start a worker, whose words go to a file; it ends with the block."""
        self.stage.command(["keyrelay", "worker", *words])
        with self._log(words).open("ab") as file:
            process = await self._start(["worker", *words], given=DEVNULL, out=file)
        async with _surely_ended(process):
            yield process

    def last_word(self, *words: str) -> str:
        """Return the last line of that worker."""
        lines = self._log(words).read_text(encoding="utf-8").splitlines()
        return lines[-1] if lines else ""

    def _log(self, words: Sequence[str]) -> Path:
        name = "-".join(word.strip("-") for word in ("worker", *words))
        return self.directory / f"{name}.log"

    async def _start(
        self, words: Sequence[str], *, given: int, out: IO[bytes] | int
    ) -> Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "keyrelay"),
            *words,
            cwd=self.directory,
            env=self.environment,
            stdin=given,
            stdout=out,
            stderr=out,
            start_new_session=True,  # Ctrl-C is for the demo, which ends them
        )


def environment(ours: Mapping[str, str]) -> Mapping[str, str]:
    """Return this process's environment with `ours` for all that is Keyrelay's."""
    others = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("KEYRELAY_")
    }
    return {**others, **ours}


@asynccontextmanager
async def _surely_ended(process: Process) -> AsyncIterator[None]:
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _GRACE)
            except TimeoutError:
                process.kill()
                await process.wait()
