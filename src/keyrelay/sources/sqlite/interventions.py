"""Interventions: what people change of the triggers in the queue.

What a batch of triggers stands at is read and changed in one transaction: no worker
leases any of them between the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.concurrency.wakeup import Wakeup
from keyrelay.model.backlog import TriggerState
from keyrelay.model.intervention import Act, ActEffect, Intervened, judge
from keyrelay.sources.sqlite import statements
from keyrelay.sources.sqlite.rows import (
    Columns,
    Held,
    entry_of,
    is_due,
    to_microseconds,
)
from keyrelay.sources.sqlite.writes import Writes, advance

Standing = Row[*tuple[object, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteInterventions:
    """intervention.Interventions."""

    writes: Writes
    wakeup: Wakeup

    async def intervene(
        self, act: Act, profile: str, ids: Sequence[str], note: str
    ) -> Sequence[Intervened]:
        async with self.writes.database.writing() as connection:
            now = self.writes.world.now()
            rows = await _standing(connection, profile, ids)
            judged = {row.id: _judged(act, row, now) for row in rows}
            changed = [
                row for row in rows if judged[row.id].effect is ActEffect.APPLIED
            ]
            if changed:
                await self._change(connection, act, changed, note)
                await advance(connection, _keys_of(profile, changed), now)
        self.wakeup.wake(len(changed))
        return [
            judged.get(id_) or Intervened(id=id_, effect=ActEffect.UNKNOWN)
            for id_ in ids
        ]

    async def conclude(self, profile: str, ids: Sequence[str]) -> None:
        async with self.writes.database.writing() as connection:
            now = self.writes.world.now()
            rows = await _standing(connection, profile, ids)
            held = [row for row in rows if row.held == Held.CANCELLING]
            if held:
                ended_at = to_microseconds(now)
                values = [{"at": row.sequence, "ended_at": ended_at} for row in held]
                await connection.execute(statements.CANCEL, values)
                await advance(connection, _keys_of(profile, held), now)
        self.wakeup.wake(len(held))

    async def _change(
        self,
        connection: AsyncConnection,
        act: Act,
        rows: Sequence[Standing],
        note: str,
    ) -> None:
        now = to_microseconds(self.writes.world.now())
        values: list[Columns]
        match act:
            case Act.HOLD | Act.CANCEL:
                statement = statements.HOLD
                kind = Held.HELD if act is Act.HOLD else Held.CANCELLING
                values = [{"kind": kind.value, "why": note} for _ in rows]
            case Act.RELEASE:
                statement = statements.RELEASE
                values = [{"again_at": self._due(row, now)} for row in rows]
            case Act.RETRY:
                statement = statements.RETRY
                values = [{"again_at": now} for _ in rows]
            case _:
                assert_never(act)
        named = zip(rows, values, strict=True)
        await connection.execute(
            statement, [each | {"at": row.sequence} for row, each in named]
        )

    def _due(self, row: Standing, now: int) -> int | None:
        """Return when a released trigger is due; None, its key says when."""
        is_ordered = self.writes.options.ordered and row.key is not None
        return None if is_ordered else now


async def _standing(
    connection: AsyncConnection, profile: str, ids: Sequence[str]
) -> Sequence[Standing]:
    asked = {"of_profile": profile, "ids": list(ids)}
    return (await connection.execute(statements.STANDING, asked)).all()


def _judged(act: Act, row: Standing, now: datetime) -> Intervened:
    entry, due = entry_of(row), is_due(row, now)
    status = entry.status
    effect = judge(act, _available(status.state) if due else status.state)
    if act is Act.RETRY and effect is ActEffect.APPLIED and (due or row.due is None):
        effect = ActEffect.ALREADY
    return Intervened(
        id=row.id,
        effect=effect,
        status=status,
        action=entry.action,
        cut=row.cut or status.state is TriggerState.LEASED,
    )


def _available(state: TriggerState) -> TriggerState:
    """Return the state of a trigger that is due: its lease, if any, has expired."""
    return TriggerState.RETRYING if state is TriggerState.LEASED else state


def _keys_of(profile: str, rows: Sequence[Standing]) -> set[tuple[str, str]]:
    return {(profile, row.key) for row in rows if row.key is not None}
