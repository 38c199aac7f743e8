"""Dead-letter documents: what every face shows of a letter."""

from collections.abc import Mapping

from keyrelay.model.instant import wire_date
from keyrelay.stores.dead_letter_groups import LetterGroups
from keyrelay.stores.dead_letters import StoredLetter, reason_of
from keyrelay.stores.unreadable import UnreadableRow

UNREADABLE = "unreadable"  # in place of the fault

Document = Mapping[str, object]


def letter_document(letter: StoredLetter) -> Document:
    """Return what is known of the letter, without the trigger's data."""
    match letter:
        case UnreadableRow():
            # Its columns, as far as they have a meaning.
            return {
                "trigger": letter.text("trigger"),
                "action": letter.text("action"),
                "reason": reason_of(letter),
                "fault": UNREADABLE,
                "attempts": letter.text("attempts"),
                "done": [],
                "buried_at": letter.text("buried_at"),
                "unreadable": True,
            }
        case _:
            settlement = letter.settlement
            return {
                "trigger": letter.trigger.id,
                "action": letter.trigger.action,
                "reason": settlement.reason,
                "fault": settlement.fault,
                "attempts": letter.attempts,
                "done": sorted(settlement.done),
                "buried_at": wire_date(letter.buried_at),
            }


def whole_letter_document(letter: StoredLetter) -> Document:
    """Return the same with the trigger, or with the columns that hold none."""
    match letter:
        case UnreadableRow():
            return {**letter_document(letter), "stored": letter.document}
        case _:
            return {**letter_document(letter), "document": letter.trigger.document()}


def groups_document(found: LetterGroups) -> Document:
    """Return the groups, with how many letters were counted, and whether all were."""
    groups = [
        {
            "action": group.action,
            "fault": group.fault,
            "reason": group.reason,
            "count": group.count,
            "newest": wire_date(group.newest),
        }
        for group in found.groups
    ]
    return {
        "groups": groups,
        "letters": found.letters,
        "actions": found.actions,
        "are_all": found.are_all,
    }
