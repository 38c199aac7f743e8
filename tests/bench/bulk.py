"""Bulk: commands that work on very many rows, each as a whole process."""

import argparse
import json
import resource
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.measure import Measure, Stopwatch
from tests.bench.sheet import Sheet
from tests.installed.home import Home

_TOGETHER = 200  # rows that the plain loop commits at once
_NO_ACTION = "6745d20000000000000000aa"  # so that the worker buries its triggers
_LOOP = "sqlite3, 200 rows a commit"


def sheets(asked: argparse.Namespace) -> Iterator[Sheet]:
    count = 4 * asked.triggers
    with tempfile.TemporaryDirectory(prefix="keyrelay-bench-") as folder:
        measures = _measured(Path(folder), count)
    yield Sheet(
        title="Very many rows, start-up included", measures=measures, against=_LOOP
    )


def _measured(folder: Path, count: int) -> list[Measure]:
    home, lines = Home(path=folder / "home"), folder / "triggers.jsonl"
    lines.write_text("".join(map(_line, range(count))))
    home.run("init", "--no-token")
    measures = [_loop(folder / "plain.db", lines)]

    def measure(*arguments: str | Path) -> None:
        name = " ".join(str(each) for each in arguments[:2])
        stopwatch = Stopwatch(resource.RUSAGE_CHILDREN)
        home.run(*arguments)
        measures.append(stopwatch.read(name, count))

    measure("trigger", "publish", "--file", lines)
    measure("trigger", "hold", "--all", "--yes")
    measure("trigger", "release", "--all", "--yes")
    home.run("worker", "--drain")
    measure("dead-letter", "redrive", "--all")
    home.run("worker", "--drain")
    measure("dead-letter", "drop", "--all", "--yes")
    return [*measures, _copy(home, f"sqlite:///{folder / 'copied.db'}")]


def _copy(home: Home, target: str) -> Measure:
    """Measure the rows of all tables, read back and verified."""
    stopwatch = Stopwatch(resource.RUSAGE_CHILDREN)
    said = json.loads(home.run("copy", "--to", target, "--json"))
    return stopwatch.read("copy", sum(said["rows"].values()))


def _line(number: int) -> str:
    point = {"variable": "temperature", "value": number}
    trigger = {"id": f"bulk-{number}", "action": _NO_ACTION, "data": [point]}
    return json.dumps(trigger) + "\n"


def _loop(path: Path, lines: Path) -> Measure:
    """Measure what a script would do that keeps each line in a table."""
    texts = lines.read_text().splitlines()
    stopwatch = Stopwatch()
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE kept (id TEXT PRIMARY KEY, line TEXT)")
    for first in range(0, len(texts), _TOGETHER):
        rows = [(json.loads(each)["id"], each) for each in texts[first:][:_TOGETHER]]
        database.executemany("INSERT INTO kept VALUES (?, ?)", rows)
        database.commit()
    database.close()
    return stopwatch.read(_LOOP, len(texts))
