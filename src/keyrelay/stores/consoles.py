"""Consoles: the last lines of each analysis, in the order in which they came.

They are no part of the audit, and nothing vouches for them. The lines of an analysis
are counted from 1, also those that are no longer kept: what follows them knows from
its place what is new, and what is missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from sqlalchemy import ColumnElement, Select, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.console import ConsoleLine, PlacedLine, kept_line
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.rows import CHUNK
from keyrelay.stores.schema.tables import analyses, console_lines
from keyrelay.stores.unreadable import AnyRow, UnreadableRow, read_all

KEPT_LINES = 200
KEPT_BYTES = 64 * 1024

_L = console_lines.c


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleStore:
    """The last 200 lines of each analysis, and of those the last 64 KiB.

    Each method raises Unavailable.
    """

    database: Database

    async def append(
        self, profile: str, analysis: str, lines: Sequence[ConsoleLine]
    ) -> bool:
        """Keep the lines, durably on return; False, there is no such analysis.

        All of them are kept, or none is. What is too long or too old is cut off.
        """
        async with self.database.transaction() as connection:
            return await append_lines(connection, profile, analysis, lines)

    async def clear(self, profile: str, analysis: str, line: ConsoleLine) -> None:
        """Remove all lines but this one, which takes the next place. Raises NotFound.

        Places are never given twice: what follows the lines goes on behind it.
        """
        async with self.database.transaction() as connection:
            if not await append_lines(connection, profile, analysis, [line]):
                raise NotFound(Noun.ANALYSIS, analysis)
            last = select(func.max(_L.number)).where(_L.analysis == analysis)
            old = (_L.analysis == analysis, _L.number < await connection.scalar(last))
            await connection.execute(delete(console_lines).where(*old))

    async def lines(
        self, profile: str, ids: Sequence[str]
    ) -> Mapping[str, Sequence[str]]:
        """Return the texts of these analyses' lines, the oldest first."""
        found: dict[str, list[str]] = {id_: [] for id_ in ids}
        async with self.database.reading() as connection:
            for first in range(0, len(ids), CHUNK):
                wanted = _L.analysis.in_(ids[first : first + CHUNK])
                for id_, placed in await _read(connection, profile, wanted):
                    found[id_].append(placed.line.text)
        return found

    async def after(
        self, profile: str, analysis: str, place: int
    ) -> Sequence[PlacedLine]:
        """Return the lines behind that place, the oldest first. Raises NotFound."""
        wanted = (_L.analysis == analysis) & (_L.number > place)
        async with self.database.reading() as connection:
            found = await _read(connection, profile, wanted)
            if not found:
                await _require(connection, profile, analysis)
        return [placed for _, placed in found]

    async def end(self, profile: str, analysis: str) -> int:
        """Return the place of the last line; 0, there is none. Raises NotFound."""
        async with self.database.reading() as connection:
            await _require(connection, profile, analysis)
            last = select(func.max(_L.number)).where(_L.analysis == analysis)
            return await connection.scalar(last) or 0

    async def ends(self, ids: Sequence[str]) -> Mapping[str, int]:
        """Return the place of the last line of each analysis that has any."""
        found = dict[str, int]()
        async with self.database.reading() as connection:
            for first in range(0, len(ids), CHUNK):
                wanted = _L.analysis.in_(ids[first : first + CHUNK])
                last = select(_L.analysis, func.max(_L.number)).where(wanted)
                for row in await connection.execute(last.group_by(_L.analysis)):
                    found[row[0]] = row[1]
        return found


async def append_lines(
    connection: AsyncConnection,
    profile: str,
    analysis: str,
    lines: Sequence[ConsoleLine],
) -> bool:
    """Do what `ConsoleStore.append` does within a transaction."""
    if not await _hold(connection, profile, analysis):
        return False
    new = [kept_line(each) for each in lines]
    before = await _sizes(connection, analysis)
    last = max(before, default=0)
    after = {last + n: _size(each) for n, each in enumerate(new, 1)}
    first = _first_kept({**before, **after})
    rows = [
        {"analysis": analysis, "number": number, "at": line.at}
        | {"text": line.text, "size": after[number]}
        for number, line in zip(after, new, strict=True)
        if number >= first
    ]
    if rows:
        await connection.execute(insert(console_lines), rows)
    old = (_L.analysis == analysis, _L.number < first)
    await connection.execute(delete(console_lines).where(*old))
    return True


async def _hold(connection: AsyncConnection, profile: str, analysis: str) -> bool:
    """Keep others from adding lines until the transaction ends; False, it is gone."""
    one = _one(profile, analysis).with_for_update(key_share=True)
    return await connection.scalar(one) is not None


async def _require(connection: AsyncConnection, profile: str, analysis: str) -> None:
    if await connection.scalar(_one(profile, analysis)) is None:
        raise NotFound(Noun.ANALYSIS, analysis)


def _one(profile: str, analysis: str) -> Select[tuple[str]]:
    wanted = (analyses.c.profile == profile, analyses.c.id == analysis)
    return select(analyses.c.id).where(*wanted)


async def _sizes(connection: AsyncConnection, analysis: str) -> dict[int, int]:
    """Return how many bytes each line has, by its place, the oldest first."""
    wanted = select(_L.number, _L.size).where(_L.analysis == analysis)
    rows = await connection.execute(wanted.order_by(_L.number))
    # What was edited by hand may be of any type; it is cut off in time by its number.
    return {row.number: row.size if isinstance(row.size, int) else 0 for row in rows}


async def _read(
    connection: AsyncConnection, profile: str, wanted: ColumnElement[bool]
) -> Sequence[tuple[str, PlacedLine]]:
    """Return the lines that can be read, each with its analysis."""
    columns = select(_L.analysis, _L.number, _L.at, _L.text)
    ordered = (
        columns.join(analyses, analyses.c.id == _L.analysis)
        .where(analyses.c.profile == profile, wanted)
        .order_by(_L.analysis, _L.number)
    )
    rows = await read_all(connection, ordered, {}, _parsed)
    return [row for row in rows if not isinstance(row, UnreadableRow)]


def _parsed(row: AnyRow) -> tuple[str, PlacedLine]:
    """Raises TypeError for what no process writes."""
    if not isinstance(row.text, str):
        raise TypeError
    line = ConsoleLine(at=row.at, text=row.text)
    return row.analysis, PlacedLine(place=row.number, line=line)


def _size(line: ConsoleLine) -> int:
    return len(line.text.encode())


def _first_kept(sizes: Mapping[int, int]) -> int:
    """Return the place of the oldest line that is kept; the newest always is."""
    newest_first = sorted(sizes, reverse=True)[:KEPT_LINES]
    totals = accumulate(sizes[place] for place in newest_first)
    fitting = [
        place
        for place, total in zip(newest_first, totals, strict=True)
        if total <= KEPT_BYTES
    ]
    return min(fitting, default=0)
