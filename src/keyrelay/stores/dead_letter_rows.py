"""Dead letter rows: between dead letters and their rows in the database."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import assert_never

from sqlalchemy import delete, insert, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.audit import Change, ChangeRecord
from keyrelay.model.audit_document import printable
from keyrelay.model.cursor import Cursor
from keyrelay.model.data_point import MOST_POINTS
from keyrelay.model.dead_letter import DeadLetter, UnreadableLetter
from keyrelay.model.documents import InvalidDefinition, parse_document, require_list
from keyrelay.model.outcome import Fault
from keyrelay.model.settlement import Bury
from keyrelay.model.trigger import Trigger
from keyrelay.stores.schema.tables import dead_letters
from keyrelay.stores.unreadable import AnyRow, UnreadableRow


def row_of(letter: DeadLetter) -> dict[str, object]:
    return {
        "profile": letter.trigger.profile,
        "trigger": letter.trigger.id,
        "action": letter.trigger.action,
        "document": letter.trigger.encode(),
        "reason": printable(letter.settlement.reason),
        "fault": letter.settlement.fault,
        "done": json.dumps({"done": sorted(letter.settlement.done)}),
        "attempts": letter.attempts,
        "buried_at": letter.buried_at,
    }


def unreadable_row(letter: UnreadableLetter) -> dict[str, object]:
    """Return the row of a letter; a text that is damaged is cut to what there is."""
    trigger = letter.trigger
    done = trigger.done.replace("\0", "\ufffd")
    if (parts := _parts_in(done)) is not None:  # else it stays unreadable
        done = json.dumps({"done": parts})
    return {
        "profile": trigger.profile[:24],
        "trigger": trigger.id[:64],
        "action": "",
        "document": trigger.raw,
        "reason": printable(letter.reason),
        "fault": letter.fault,
        "done": done,
        "attempts": letter.attempts,
        "buried_at": letter.buried_at,
    }


async def replace_rows(
    connection: AsyncConnection, rows: Iterable[Mapping[str, object]]
) -> None:
    """Keep the rows instead of those of the same triggers; of several, the last."""
    last = {(row["profile"], row["trigger"]): row for row in rows}
    place = tuple_(dead_letters.c.profile, dead_letters.c.trigger)
    await connection.execute(delete(dead_letters).where(place.in_(list(last))))
    await connection.execute(insert(dead_letters), list(last.values()))


def burial_record(letter: UnreadableLetter, id_: str) -> ChangeRecord:
    """Return the audit record of a burial that no attempt came before."""
    trigger = letter.trigger
    return ChangeRecord(
        id=id_,
        actor="worker",
        profile=_plain(trigger.profile)[:24],
        subject=_plain(trigger.id)[:64],
        noun="trigger",
        change=Change.BURIED,
        detail=letter.reason,
        at=letter.buried_at,
    )


def _plain(text: str) -> str:
    """Return the text, no longer than it was, without what is not printable."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


def _parts_in(done: str) -> Sequence[str] | None:
    try:
        parts = json.loads(done)
    except (ValueError, RecursionError):
        return None
    is_whole = isinstance(parts, list) and all(isinstance(each, str) for each in parts)
    return parts if is_whole else None


def letter_of(row: AnyRow) -> DeadLetter:
    try:
        return _read(row)
    except (ValueError, TypeError):
        if row.action:
            raise
        # Buried as it could not be read: why, says its burial.
        raise InvalidDefinition(str(row.reason)) from None


def _read(row: AnyRow) -> DeadLetter:
    if not isinstance(row.document, bytes) or not isinstance(row.attempts, int):
        raise InvalidDefinition("its trigger or its attempts are of another type")
    trigger = Trigger.decode(row.document)
    if (trigger.profile, trigger.id) != (row.profile, row.trigger):
        raise InvalidDefinition("it holds another trigger than its row says")
    done = require_list(
        parse_document(str(row.done)).get("done"), "done", longest=MOST_POINTS
    )
    parts = frozenset(map(str, require_list(done, "done", longest=MOST_POINTS)))
    return DeadLetter(
        trigger=trigger,
        settlement=Bury(reason=str(row.reason), fault=Fault(row.fault), done=parts),
        attempts=row.attempts,
        buried_at=row.buried_at,
    )


def id_of(row: AnyRow) -> str:
    """Return the id of the letter's trigger. Raises TypeError for what is no text."""
    if not isinstance(row.trigger, str):
        raise TypeError
    return row.trigger


def place_of(letter: DeadLetter | UnreadableRow) -> Cursor | None:
    """Return where a letter stands in a list; None, its row does not tell."""
    match letter:
        case DeadLetter(trigger=trigger, buried_at=buried_at):
            return Cursor(buried_at, trigger.id)
        case UnreadableRow():
            at = letter.instant("buried_at")
            return None if at is None else Cursor(at, letter.text("trigger"))
        case _:
            assert_never(letter)
