"""Command: a process of ours while it runs: heard, told, signalled, surely ended."""

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

WITHIN = timedelta(seconds=30)


class NotSaid(Exception):
    """What was waited for was not said in time, or not before the end."""


@dataclass(slots=True, kw_only=True)
class Command:
    """`said` are the lines of both its outputs so far."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list, init=False)
    _more: threading.Condition = field(default_factory=threading.Condition, init=False)
    _silent: bool = field(default=False, init=False)

    def await_said(self, text: str, times: int = 1, within: timedelta = WITHIN) -> None:
        """Return once that many lines have held `text`, or raise NotSaid."""
        if not self._await(lambda: self.count(text) >= times, within):
            told = " / ".join(self.said[-3:]) or "(nothing)"
            raise NotSaid(f"{text!r} was not said {times} times; the last was: {told}")

    def count(self, text: str) -> int:
        return sum(text in line for line in self.said)

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, within: timedelta = WITHIN) -> int:
        """Return the exit code, once it has ended by itself and all was heard."""
        code = self.process.wait(within.total_seconds())
        self._await(lambda: False, within)
        return code

    def kill(self) -> None:
        """Return once it is gone, whatever it was about to do."""
        self.process.kill()
        self.end()

    def listen(self) -> None:
        """Hear it out; without this its pipe would fill, and stop it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._more:
                self.said.append(line.rstrip("\n"))
                self._more.notify_all()
        with self._more:
            self._silent = True
            self._more.notify_all()

    def _await(self, condition: Callable[[], bool], within: timedelta) -> bool:
        with self._more:
            self._more.wait_for(
                lambda: self._silent or condition(), within.total_seconds()
            )
            return condition()


@contextmanager
def running(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    directory: Path | None = None,
) -> Iterator[Command]:
    with subprocess.Popen(
        command,
        env=environment,
        cwd=directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        running_ = Command(process=process)
        listener = threading.Thread(target=running_.listen)
        listener.start()
        try:
            yield running_
        finally:
            process.kill()  # also what was stopped by SIGSTOP
            process.wait()
            listener.join()
            _hang_up(process)


def _hang_up(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it never read what it was told
        process.stdin.close()
