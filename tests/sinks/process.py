"""Process: a sink runs in one of its own, so that its work is not counted as ours."""

import asyncio
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.services import daemon, loopback

_ROOT = Path(__file__).parent.parent.parent


@contextmanager
def running(
    module: str,
    port: int,
    arguments: Sequence[str],
    *,
    directory: Path,
    secrets: Mapping[str, str],
) -> Iterator[None]:
    """Keep `python -m module --port=…` running; it ends with the block, surely."""
    directory.mkdir(parents=True, exist_ok=True)
    with daemon.running(
        [sys.executable, "-m", module, f"--port={port}", *arguments],
        directory=directory,
        ready=lambda: loopback.accepts(port),
        extra={"PYTHONPATH": str(_ROOT), **secrets},
    ):
        yield


async def terminated() -> None:
    """Return when the process is asked to end."""
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    await asked.wait()
