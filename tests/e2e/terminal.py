"""Terminal: somebody at a keyboard, who answers what is asked."""

import os
import pty
import select
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

WITHIN = timedelta(seconds=30)


class NotAsked(Exception):
    """What was to be answered was not asked, or the command did not end."""


@dataclass(slots=True, kw_only=True)
class Terminal:
    """`shown` is all that stands on the screen; what is typed may be among it."""

    process: subprocess.Popen[bytes]
    keyboard: int
    shown: str = field(default="", init=False)
    _read_up_to: int = field(default=0, init=False)

    def answer(self, question: str, answer: str) -> None:
        # Up to the space: what is typed before it is echoed, password or not.
        while not self._is_asked(question):
            if not self._look():
                raise NotAsked(f"{question!r} was not asked: {self.shown}")
        self._read_up_to = len(self.shown)
        os.write(self.keyboard, f"{answer}\n".encode())

    def end(self) -> int:
        """Return the exit code, once all is on the screen."""
        while self._look():
            pass
        return self.process.wait(WITHIN.total_seconds())

    def _is_asked(self, question: str) -> bool:
        unread = self.shown[self._read_up_to :]
        return question in unread and unread.endswith(": ")

    def _look(self) -> bool:
        ready, _, _ = select.select([self.keyboard], [], [], WITHIN.total_seconds())
        if not ready:
            raise NotAsked(f"nothing came for {WITHIN} after: {self.shown}")
        try:
            seen = os.read(self.keyboard, 4096)
        except OSError:  # EIO: nobody is at the other end any more
            return False
        self.shown += seen.decode().replace("\r\n", "\n")
        return bool(seen)


@contextmanager
def sitting_at(
    command: Sequence[str | Path], environment: Mapping[str, str], directory: Path
) -> Iterator[Terminal]:
    keyboard, screen = pty.openpty()
    with subprocess.Popen(
        # Passwords are asked for at the terminal that the session is controlled by.
        ["setsid", "--ctty", "--wait", *command],
        env=environment,
        cwd=directory,
        stdin=screen,
        stdout=screen,
        stderr=screen,
    ) as process:
        os.close(screen)
        try:
            yield Terminal(process=process, keyboard=keyboard)
        finally:
            process.kill()
            os.close(keyboard)
