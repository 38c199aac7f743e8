"""Attempts: each list, filter and order reads an index, and sorts nothing."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event

from keyrelay.databases.postgresql import PostgresqlDatabase
from keyrelay.databases.sqlite import SqliteDatabase
from keyrelay.model.cursor import Cursor
from keyrelay.model.outcome import ReasonClass
from keyrelay.stores.attempts import AttemptFilter, AttemptQuery
from keyrelay.stores.audit.tail import AuditTail, Span
from tests.contract.stores.ground import Ground
from tests.contract.stores.house import House, open_house
from tests.samples import NOON, OTHER_PROFILE, PROFILE

ROWS = 20_000
SERIES = {
    False: "(WITH RECURSIVE series(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM series"  # noqa: S608 - of constants
    f" WHERE n < {ROWS - 1}) SELECT n FROM series)",
    True: f"(SELECT generate_series(0, {ROWS - 1}) AS n) AS series",
}
AT = {
    False: "strftime('%Y-%m-%d %H:%M:%S.000000', '2030-01-01 12:00:00',"
    " '+' || n || ' seconds')",
    True: "timestamptz '2030-01-01 12:00:00Z' + n * interval '1 second'",
}
ID = {False: "printf('%024x', n)", True: "lpad(to_hex(n), 24, '0')"}
FEW = {False: "printf('%024x', n % 20)", True: "lpad(to_hex(n % 20), 24, '0')"}
SECRET = f"{3:024x}"
PAGE = AttemptQuery(after=Cursor(NOON + timedelta(hours=2), "f" * 24), amount=20)


@pytest.fixture
async def full(ground: Ground) -> AsyncIterator[House]:
    """A house with many attempts, of a few actions and secrets."""
    async with open_house(ground) as house:
        shared = house.database.is_shared
        few = FEW[shared]
        await house.break_in(
            "INSERT INTO attempts"  # noqa: S608 - of constants
            f" SELECT '{PROFILE}', {AT[shared]}, {ID[shared]}, 't' || (n / 4), {few},"
            f" {few}, CASE n % 50 WHEN 0 THEN 'rejected' ELSE 'delivered' END,"
            " CASE n % 50 WHEN 0 THEN 'denied' ELSE 'delivered' END"
            f" FROM {SERIES[shared]}",
            "INSERT INTO attempt_counts"  # noqa: S608 - of constants
            f" SELECT '{PROFILE}', {AT[shared].replace('second', 'minute')}, {few},"
            f" 'delivered', '{'c' * 24}', 1 FROM {SERIES[shared]}",
            "INSERT INTO last_times"  # noqa: S608 - of constants
            f" SELECT '{PROFILE}', 'action', {ID[shared]}, {AT[shared]}"
            f" FROM {SERIES[shared]}",
            "ANALYZE",
        )
        yield house


@contextmanager
def said(house: House) -> Iterator[list[tuple[str, object]]]:
    """Note the statements that the database is asked, and their parameters."""
    assert isinstance(house.database, SqliteDatabase | PostgresqlDatabase)
    asked = list[tuple[str, object]]()

    def note(*call: object) -> None:
        asked.append((str(call[2]), call[3]))

    engine = house.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def plan(house: House, asked: list[tuple[str, object]]) -> str:
    (statement, parameters) = next(a for a in asked if a[0].startswith("SELECT"))
    explain = "EXPLAIN " if house.database.is_shared else "EXPLAIN QUERY PLAN "
    async with house.database.reading() as connection:
        rows = await connection.exec_driver_sql(f"{explain}{statement}", parameters)  # type: ignore[arg-type]
        return "\n".join(" ".join(map(str, row)) for row in rows)


def require_index(plan: str, named: str) -> None:
    """Fail unless the plan goes along that index, in its order."""
    assert not re.search("Seq Scan|Sort|TEMP B-TREE|SCAN", plan), plan
    assert re.search(named, plan), plan


def index(column: str) -> str:
    return f"ix_attempts_profile_{column}_at_id"


PRIMARY = "pk_attempts|PRIMARY KEY"
EXPECTED = [
    (AttemptFilter(), PRIMARY),
    (AttemptFilter(trigger="t17"), index("trigger")),
    (AttemptFilter(action=SECRET), index("action")),
    (AttemptFilter(secret=SECRET), index("secret")),
    (AttemptFilter(outcome="rejected"), index("outcome")),
    (AttemptFilter(reason_class=ReasonClass.DENIED), index("reason_class")),
    # What nearly all have is found as soon in the whole list.
    (AttemptFilter(outcome="delivered"), f"{index('outcome')}|{PRIMARY}"),
]


async def test_lists_and_counts_of_attempts_go_along_an_index(full: House) -> None:
    for having, named in EXPECTED:
        for query in (AttemptQuery(amount=20), PAGE):
            with said(full) as asked:
                page = await full.attempts.list(PROFILE, replace(query, having=having))
            assert page.attempts
            require_index(await plan(full, asked), named)

    with said(full) as asked:
        place = Cursor(NOON + timedelta(hours=2), "f" * 24)
        assert await full.attempts.behind(PROFILE, place, 20)
    require_index(await plan(full, asked), PRIMARY)

    until = NOON + timedelta(hours=1)
    for action in (None, SECRET):
        with said(full) as asked:
            assert await full.attempts.counts(PROFILE, NOON, until, action)
        found = await plan(full, asked)
        assert re.search("Index|USING", found), found
        assert not re.search("Seq Scan|SCAN attempt_counts", found), found


async def test_what_is_new_is_read_along_its_chain(ground: Ground) -> None:
    async with open_house(ground) as house:
        shared = house.database.is_shared
        seal = "'\\x00'::bytea" if shared else "x'00'"
        await house.break_in(
            "INSERT INTO audit_records"  # noqa: S608 - of constants
            f" SELECT '{'c' * 24}', n + 1, {ID[shared]}, 'attempt', '{PROFILE}', 't',"
            f" '{SECRET}', {AT[shared]}, '{{}}', {seal} FROM {SERIES[shared]}",
            "ANALYZE",
        )
        tail = AuditTail(database=house.database)
        span = Span(chain="c" * 24, after=ROWS - 10, last=ROWS)
        with said(house) as asked:
            found, reached = await tail.page(span, [PROFILE, OTHER_PROFILE])

        assert (len(found), reached) == (10, ROWS)
        require_index(await plan(house, asked), "pk_audit_records|autoindex|PRIMARY")
