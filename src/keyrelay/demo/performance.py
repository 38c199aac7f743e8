"""Performance: the story told once, with a directory, a time limit and an end."""

import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console

from keyrelay.demo.conclusion import conclude
from keyrelay.demo.local_sqs import NoSqs
from keyrelay.demo.shell import UnexpectedAnswer
from keyrelay.demo.stage import Stage
from keyrelay.demo.story import tell

_LONGEST = 240.0  # seconds; a busy machine needs some


def perform(*, keep: bool) -> bool:
    """Tell the story to whoever sits there; return whether every check held.

    Raises typer.Abort.
    """
    stage, started = Stage(Console(highlight=False)), time.monotonic()
    with _directory(keep=keep) as directory:
        trouble = asyncio.run(_tell(stage, directory))
        conclude(stage, time.monotonic() - started, trouble)
        if keep:
            stage.say(f"Everything is left in {directory}.")
    return not stage.failed and trouble is None


async def _tell(stage: Stage, directory: Path) -> str | None:
    """Return why the story broke off; None, it did not. Raises typer.Abort."""
    telling = asyncio.create_task(tell(stage, directory))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, _stop, telling)
    done, _ = await asyncio.wait([telling], timeout=_LONGEST)
    if not done:
        _stop(telling)
        await asyncio.wait([telling])
        return f"it took longer than {_LONGEST:.0f} s"
    if telling.cancelled():
        raise typer.Abort
    try:
        telling.result()
    except (UnexpectedAnswer, NoSqs) as fault:
        return str(fault)
    return None


def _stop(telling: asyncio.Task[None]) -> None:
    # Once: a second Ctrl-C would cut the clean-up short, and leave a worker running.
    if not telling.cancelling():
        telling.cancel()


@contextmanager
def _directory(*, keep: bool) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="keyrelay-demo-"))
    try:
        yield path
    finally:
        if not keep:
            shutil.rmtree(path, ignore_errors=True)
