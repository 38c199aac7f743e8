"""Dead-letter groups: how many letters have the same action, fault and reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Subquery, func, select

from keyrelay.databases.database import Database
from keyrelay.stores.dead_letter_query import DeadLetterQuery, matching
from keyrelay.stores.schema.tables import dead_letters
from keyrelay.stores.unreadable import AnyRow, Slice, UnreadableRow, read_rows

# A profile may have millions: what is shown of them must not read them all.
MOST_COUNTED = 10_000

_LETTERS = dead_letters.c


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterGroup:
    """`newest` is when the last of them was buried; None, its row does not tell."""

    action: str
    fault: str
    reason: str
    count: int
    newest: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterGroups:
    """The largest groups, and how many letters and actions there are in all groups.

    Only the newest MOST_COUNTED letters are counted; `are_all` tells whether those are
    all that match.
    """

    groups: Sequence[LetterGroup]
    letters: int
    actions: int
    are_all: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterCounting:
    database: Database

    async def groups(
        self, profile: str, query: DeadLetterQuery, amount: int
    ) -> LetterGroups:
        """Count the letters that match. Raises Unavailable."""
        counted = _newest(profile, query, MOST_COUNTED)
        more = _newest(profile, query, MOST_COUNTED + 1)
        together = (counted.c.action, counted.c.fault, counted.c.reason)
        count, newest = func.count(), func.max(counted.c.buried_at)
        largest = (
            select(*together, count.label("count"), newest.label("newest"))
            .group_by(*together)
            .order_by(count.desc(), *together)
        )
        totals = select(func.count(), func.count(more.c.action.distinct()))
        async with self.database.reading() as connection:
            part = Slice(0, amount)
            found = await read_rows(connection, largest, part, _group_of)
            letters, actions = (await connection.execute(totals)).one()
        return LetterGroups(
            groups=[*map(_read, found)],
            letters=min(letters, MOST_COUNTED),
            actions=actions,
            are_all=letters <= MOST_COUNTED,
        )


def _newest(profile: str, query: DeadLetterQuery, most: int) -> Subquery:
    columns = (_LETTERS.action, _LETTERS.fault, _LETTERS.reason, _LETTERS.buried_at)
    return matching(select(*columns), profile, query).limit(most).subquery()


def _group_of(row: AnyRow) -> LetterGroup:
    columns: Mapping[str, object] = row._asdict()  # `count` is a method of rows, too
    match columns:
        case {
            "action": str(action),
            "fault": str(fault),
            "reason": str(reason),
            "count": int(count),
            "newest": datetime() as newest,
        }:
            pass
        case _:
            raise TypeError("this is no group of letters")
    return LetterGroup(
        action=action, fault=fault, reason=reason, count=count, newest=newest
    )


def _read(found: LetterGroup | UnreadableRow) -> LetterGroup:
    """Return the group; of one that cannot be read, what can be read of it."""
    if isinstance(found, LetterGroup):
        return found
    return LetterGroup(
        action=found.text("action"),
        fault=found.text("fault"),
        reason=found.text("reason"),
        count=int(found.text("count")),
        newest=None,
    )
