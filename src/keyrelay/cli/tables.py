"""Tables: rows of text in columns, folded at a terminal and on one line elsewhere."""

import os
import sys
from collections.abc import Iterable, Sequence
from shutil import get_terminal_size

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDE = 5000  # columns where there is no terminal: nothing is wrapped there


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print each name with its value, a line each."""
    table = _table(headed=False)
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in fields:
        table.add_row(Text(name, style="bold"), Text(value))
    _print(table)


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = _table(headed=True)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    _print(table)


def _width() -> int:
    return get_terminal_size().columns if sys.stdout.isatty() else _WIDE


def _table(*, headed: bool) -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=headed)


def _print(table: Table) -> None:
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        Console(highlight=False).print(table)
        return
    # Captured without a terminal, it has no escape codes: with NO_COLOR rich would
    # leave out the colours alone.
    console = Console(width=_width(), highlight=False, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        print(line.rstrip(), flush=True)  # noqa: T201 - thrice as fast as typer.echo
