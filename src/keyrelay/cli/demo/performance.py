"""Performance: the story told once, with a directory, a time limit and an end."""

import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from keyrelay.cli.demo.conclusion import conclude
from keyrelay.cli.demo.local_sqs import NoSqs
from keyrelay.cli.demo.shell import UnexpectedAnswer
from keyrelay.cli.demo.stage import Stage
from keyrelay.cli.demo.story import tell

_LONGEST = 240.0  # seconds; a busy machine needs some


def perform(*, keep: bool) -> bool:
    """Tell the story to whoever sits there; return whether every check held."""
    stage, started = Stage(Console(highlight=False)), time.monotonic()
    _end_as_by_ctrl_c(signal.SIGTERM, signal.SIGHUP)
    with _directory(keep=keep) as directory:
        trouble = _tell(stage, directory)
        conclude(stage, time.monotonic() - started, trouble)
        if keep:
            stage.say(f"Everything is left in {directory}.")
    return not stage.failed and trouble is None


def _tell(stage: Stage, directory: Path) -> str | None:
    """Return why the story broke off; None, it did not."""
    try:
        asyncio.run(asyncio.wait_for(tell(stage, directory), _LONGEST))
    except TimeoutError:
        return f"it took longer than {_LONGEST:.0f} s"
    except (UnexpectedAnswer, NoSqs) as fault:
        return str(fault)
    return None


def _end_as_by_ctrl_c(*numbers: signal.Signals) -> None:
    """Clean up, however we are asked to end: workers would go on without us."""
    for number in numbers:
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))


@contextmanager
def _directory(*, keep: bool) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="keyrelay-demo-"))
    try:
        yield path
    finally:
        if not keep:
            shutil.rmtree(path, ignore_errors=True)
