"""Daemon: the process of a service, from its start to its certain end."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

from tests.services import deadline, program
from tests.services.service import Unavailable

_GRACE = timedelta(seconds=10)
# Reads from a pipe that we hold and never write to, so that it ends when we do. Not
# the kernel's parent death signal: that is lost when Postfix changes its account.
_WATCH = 'read -r _; kill -s TERM -- "-$0"; sleep 5; kill -s KILL -- "-$0"'


@contextmanager
def folder() -> Iterator[Path]:
    """Hand out a temporary folder that servers under another account can enter."""
    with tempfile.TemporaryDirectory(prefix="keyrelay-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@dataclass(slots=True, kw_only=True)
class Daemon:
    """A service's process, which a test may take away and bring back."""

    process: Callable[[], AbstractContextManager[subprocess.Popen[bytes]]]
    _life: ExitStack = field(default_factory=ExitStack)
    _current: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return once it is ready; what runs already goes on."""
        if self._current is None:
            self._current = self._life.enter_context(self.process())

    def stop(self) -> None:
        """Ask it to end, and return once it has."""
        self._current = None
        self._life.close()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._current is not None:
            _signal(self._current, signal.SIGKILL)
        self.stop()


@contextmanager
def running(
    command: Sequence[str | Path],
    *,
    directory: Path,
    ready: Callable[[], bool],
    within: timedelta = timedelta(seconds=30),
    extra: Mapping[str, str] | None = None,
) -> Iterator[Daemon]:
    """Keep a service running in a process group of its own, once it is ready."""
    log = directory / f"{Path(command[0]).name}.log"
    environment = program.environment(extra or {})
    daemon = Daemon(process=partial(_process, command, environment, log, ready, within))
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.stop()


@contextmanager
def _process(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    log: Path,
    ready: Callable[[], bool],
    within: timedelta,
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=log.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            with _watched(process):
                _await_ready(process, ready, within, log)
                yield process
        finally:
            _stop(process)


@contextmanager
def _watched(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Have the service stopped even if these tests are killed."""
    with subprocess.Popen(
        ["sh", "-c", _WATCH, str(process.pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as watcher:
        try:
            yield
        finally:
            watcher.kill()


def _await_ready(
    process: subprocess.Popen[bytes],
    ready: Callable[[], bool],
    within: timedelta,
    log: Path,
) -> None:
    decided = deadline.met(lambda: process.poll() is not None or ready(), within)
    if decided and process.returncode is None:
        return
    happened = "ended at once" if decided else f"was not ready within {within}"
    said = log.read_text(errors="replace").strip().splitlines() or ["(nothing)"]
    raise Unavailable(f"{log.stem} {happened}; it said: {' / '.join(said[-3:])}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    try:
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE.total_seconds())
    finally:
        # Also after a second Ctrl-C, and for children that outlived their parent.
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
