"""Tables: rows of text in columns, fitted into a terminal and on one line elsewhere."""

import os
import sys
from collections.abc import Iterable, Sequence
from shutil import get_terminal_size

from rich.console import Console
from rich.table import Table
from rich.text import Text

from keyrelay.cli.columns import Content
from keyrelay.cli.table_layout import GAP, TableContent, widths_of

_WIDE = 5000  # columns where there is no terminal: nothing is wrapped there


def terminal_width() -> int | None:
    """Return how many columns standard output has; None, it is no terminal."""
    return get_terminal_size().columns if sys.stdout.isatty() else None


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print each name with its value, a line each."""
    table = _table(headed=False)
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in fields:
        table.add_row(Text(name, style="bold"), Text(value))
    _print(table)


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table whose cells are folded where they have no room."""
    table = _table(headed=True)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    _print(table)


def print_content(content: TableContent) -> None:
    """Print a table in which texts are cut where they have no room."""
    table = _table(headed=True)
    widths = widths_of(content, terminal_width() or _WIDE)
    for column, width in zip(content.columns, widths, strict=True):
        if column.content is Content.TEXT:
            table.add_column(column.head, width=width, no_wrap=True)  # ends in "…"
        else:
            table.add_column(column.head, width=width, overflow="fold")
    for row in content.rows:
        table.add_row(*map(Text, row))
    _print(table)


def _table(*, headed: bool) -> Table:
    return Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), show_header=headed)


def _print(table: Table) -> None:
    width = terminal_width()
    if width and not os.environ.get("NO_COLOR"):
        Console(highlight=False).print(table)
        return
    # Captured without a terminal, it has no escape codes: with NO_COLOR rich would
    # leave out the colours alone.
    console = Console(width=width or _WIDE, highlight=False, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        print(line.rstrip(), flush=True)  # noqa: T201 - thrice as fast as typer.echo
