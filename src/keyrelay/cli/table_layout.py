"""Table layout: which columns fit into a terminal, and how wide each is.

Widths are in columns of the terminal: a wide character (Unicode Annex 11) takes two.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rich.cells import cell_len

from keyrelay.cli.columns import Column, Content
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.ids import LENGTH
from keyrelay.model.instant import parse_instant

GAP = 2  # between two columns
_COMFORTABLE = 16
_NARROWEST = 6
_RECENT = timedelta(days=180)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableContent:
    """`rows` have a cell for each column."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]

    @property
    def natural(self) -> list[int]:
        """How wide each column is if nothing is cut."""
        heads = [column.head for column in self.columns]
        cells = zip(heads, *self.rows, strict=True)
        return [max(map(cell_len, column)) for column in cells]

    def fits(self, width: int) -> bool:
        """Tell whether only texts have to be cut, and none of them by much."""
        return sum(map(_comfortable, self.columns, self.natural)) <= _room(self, width)

    def cells(self, name: str) -> set[str]:
        at = [column.name for column in self.columns].index(name)
        return {row[at] for row in self.rows}


def with_short_instants(content: TableContent, now: datetime) -> TableContent:
    """Write instants as `ls --time-style=iso` does, near ones to the minute."""

    def short(column: Column, cell: str) -> str:
        return _short(cell, now) if column.content is Content.INSTANT else cell

    return _rewritten(content, short)


def with_short_ids(
    content: TableContent, short: Mapping[str, Mapping[str, str]]
) -> TableContent:
    """Write ids as `short` has them, for the column of each name."""
    return _rewritten(
        content, lambda column, cell: short.get(column.name, {}).get(cell, cell)
    )


def without_optional(content: TableContent, width: int) -> TableContent:
    """Leave optional columns out, from the right, until it fits or none is left."""
    for at in reversed(range(len(content.columns))):
        if content.columns[at].optional and not content.fits(width):
            content = TableContent(
                columns=[*content.columns[:at], *content.columns[at + 1 :]],
                rows=[[*row[:at], *row[at + 1 :]] for row in content.rows],
            )
    return content


def widths_of(content: TableContent, width: int) -> Sequence[int]:
    """Return how wide each column is; texts give way first, the widest of them."""
    found, room = content.natural, _room(content, width)
    if sum(found) <= room:
        return found
    columns = content.columns
    found = [
        wide if column.content is Content.TEXT else _comfortable(column, wide)
        for column, wide in zip(columns, found, strict=True)
    ]
    are_texts = [column.content is Content.TEXT for column in columns]
    for chosen in (True, False):
        able = [at for at, is_text in enumerate(are_texts) if is_text is chosen]
        while able and sum(found) > room:
            widest = max(able, key=lambda at: found[at])
            if found[widest] <= _NARROWEST:
                break
            found[widest] -= 1
    return found


def _comfortable(column: Column, wide: int) -> int:
    """Return how wide the column has to be so that what is in it is of use."""
    match column.content:
        case Content.TEXT:
            return min(wide, _COMFORTABLE)
        case Content.ID:  # one that a producer chose may be long, and is folded
            return wide if wide <= LENGTH else _COMFORTABLE
        case _:
            return wide


def _room(content: TableContent, width: int) -> int:
    return width - GAP * (len(content.columns) - 1)


def _rewritten(
    content: TableContent, rewrite: Callable[[Column, str], str]
) -> TableContent:
    rows = [[*map(rewrite, content.columns, row)] for row in content.rows]
    return replace(content, rows=rows)


def _short(cell: str, now: datetime) -> str:
    try:
        instant = parse_instant(cell, "")
    except InvalidDefinition:
        instant = None
    if instant is None:
        return cell
    return f"{instant:%m-%d %H:%M}" if abs(now - instant) < _RECENT else cell[:10]
