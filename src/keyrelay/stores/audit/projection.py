"""Projection: what lists and charts read of attempts, written with their records.

A record and its row in `attempts` are of one transaction: neither is there alone.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Dialect, Table, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.audit_document import Document, columns_of
from keyrelay.stores.schema.attempt_tables import attempt_counts, attempts

ATTEMPT = "attempt"  # the kind of an attempt's record

_Minute = tuple[str, datetime, str, str]  # profile, minute, action, outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class _Insertions:
    """SQL in the database's dialect; `instant` turns a time into its parameter."""

    attempts: str
    counts: str
    instant: Callable[[datetime], object]


async def project(
    connection: AsyncConnection, chain: str, documents: Sequence[Document]
) -> None:
    """List and count those of a chain's records that are of attempts."""
    ended = [document for document in documents if document["kind"] == ATTEMPT]
    if not ended:
        return
    into = _insertions(connection.dialect)
    rows, counted = list[tuple[object, ...]](), Counter[_Minute]()
    for document in ended:
        columns = columns_of(document)
        assert columns is not None
        outcome, why = str(document["outcome"]), document["reason_class"]
        of = columns.trigger, columns.action, document.get("secret")
        at = into.instant(columns.at)
        rows.append((columns.profile, at, columns.id, *of, outcome, why))
        minute = columns.at.replace(second=0, microsecond=0)
        counted[columns.profile, minute, str(columns.action), outcome] += 1
    await connection.exec_driver_sql(into.attempts, rows)
    counts = [
        (profile, into.instant(minute), action, outcome, chain, count)
        for (profile, minute, action, outcome), count in counted.items()
    ]
    await connection.exec_driver_sql(into.counts, counts)


@lru_cache(maxsize=2)  # one for each dialect, of which a process has one or two
def _insertions(dialect: Dialect) -> _Insertions:
    instant = attempts.c.at.type.dialect_impl(dialect).bind_processor(dialect)
    assert instant is not None
    counts = attempt_counts
    key = ", ".join(column.name for column in counts.primary_key)
    return _Insertions(
        attempts=_into(attempts, dialect),
        # Counts of this chain's, which no other process writes.
        counts=f"{_into(counts, dialect)} ON CONFLICT ({key})"
        f" DO UPDATE SET count = {counts.name}.count + excluded.count",
        instant=instant,
    )


def _into(table: Table, dialect: Dialect) -> str:
    return str(insert(table).compile(dialect=dialect))
