"""Ledger: a line in a file for each message that a sink took responsibility for."""

import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tests.services import deadline


class TooFew(Exception):
    """What was waited for did not arrive in time."""


@dataclass(frozen=True, slots=True)
class Entry:
    """`name` is the message's own; `at` is in seconds since the epoch."""

    name: str
    at: float


@dataclass(frozen=True, slots=True)
class LedgerWriter:
    """The writing end, held by the sink."""

    descriptor: int

    def write(self, names: Iterable[str]) -> None:
        """Return once the lines would survive the end of this process."""
        at = time.time()
        lines = "".join(f"{json.dumps([name, at])}\n" for name in names)
        os.write(self.descriptor, lines.encode())


@dataclass(frozen=True, slots=True)
class Ledger:
    """The reading end, held by the test."""

    path: Path

    def count(self) -> int:
        try:
            return self.path.read_bytes().count(b"\n")
        except FileNotFoundError:
            return 0

    def entries(self) -> list[Entry]:
        whole, _, _ = self.path.read_text().rpartition("\n")
        return [Entry(*json.loads(line)) for line in whole.splitlines()]

    def names(self) -> Counter[str]:
        """Return how often each message was taken."""
        return Counter(entry.name for entry in self.entries())

    def await_count(self, count: int, within: timedelta) -> None:
        if not deadline.met(lambda: self.count() >= count, within):
            raise TooFew(f"{self.count()} messages instead of {count} after {within}")


@contextmanager
def writing(path: Path) -> Iterator[LedgerWriter]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        yield LedgerWriter(descriptor)
    finally:
        os.close(descriptor)
