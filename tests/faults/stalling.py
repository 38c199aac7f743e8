"""Stalling: a worker that is stopped from outside, and holds no lock meanwhile."""

import signal
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.installed.command import Command


def put_to_sleep(
    worker: Command, databases: Sequence[Path], awake: Callable[[], object]
) -> None:
    """Stop it between two writes: one in the middle of a write stops everybody.

    After each stop at another moment it is awake until that returns.
    """
    for _ in range(100):
        worker.send(signal.SIGSTOP)
        if all(map(_is_free, databases)):
            return
        worker.send(signal.SIGCONT)
        awake()
    pytest.fail("the worker does nothing but write")


def _is_free(database: Path) -> bool:
    with closing(sqlite3.connect(database, timeout=0.1, isolation_level=None)) as door:
        try:
            door.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        door.execute("ROLLBACK")
    return True
