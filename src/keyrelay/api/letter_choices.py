"""Letter choices: which dead letters a request means, in its query or its body."""

from collections.abc import Mapping

from keyrelay.api.described import Part, object_of
from keyrelay.api.parameters import LONGEST_PARAMETER, Parameters
from keyrelay.model.documents import (
    InvalidDefinition,
    refuse_unknown,
    require_list,
    require_text,
)
from keyrelay.model.instant import parse_instant
from keyrelay.model.outcome import Fault
from keyrelay.services.jobs import LetterWork
from keyrelay.stores.dead_letter_query import DeadLetterQuery

MOST_CHOSEN = 1000  # triggers that a job is told by their ids

LETTER_FILTERS = {
    "action": "Only those of this action, by id.",
    "fault": f"Whose fault it was: one of {', '.join(Fault)}.",
    "reason": "Only those with this in their reason.",
    "since": "Only those that were buried then or later (RFC 3339).",
}
_NULLABLE: Part = {"type": ["string", "null"]}
_CHOSEN_BY: Mapping[str, Part] = {
    "action": _NULLABLE,
    "fault": {"enum": [*Fault, None]},
    "reason": {**_NULLABLE, "minLength": 1, "maxLength": LONGEST_PARAMETER},
    "since": _NULLABLE,
    "triggers": {
        "type": ["array", "null"],
        "items": {"type": "string", "minLength": 1, "maxLength": 64},
        "maxItems": MOST_CHOSEN,
    },
    "rate": {"type": ["number", "null"], "exclusiveMinimum": 0},
}
CHOICE = object_of(_CHOSEN_BY)


def letter_query(given: Parameters) -> DeadLetterQuery:
    """Read what a list is narrowed to. Raises InvalidDefinition."""
    fault = given.choice("fault", [*Fault])
    return DeadLetterQuery(
        action=given.text("action"),
        fault=None if fault is None else Fault(fault),
        reason=given.text("reason"),
        since=given.instant("since"),
    )


def letter_work(document: Mapping[str, object]) -> LetterWork:
    """Read what `CHOICE` describes, or raise InvalidDefinition."""
    refuse_unknown(document, _CHOSEN_BY, "a choice of dead letters")
    rate, fault, action = (document.get(name) for name in ("rate", "fault", "action"))
    if fault is not None and fault not in [*Fault]:
        raise InvalidDefinition(f"fault must be one of {', '.join(Fault)}")
    if action is not None and not isinstance(action, str):
        raise InvalidDefinition("action must be the id of an action")
    if isinstance(rate, bool) or not isinstance(rate, int | float | None):
        raise InvalidDefinition("rate must be a number of letters per second")
    query = DeadLetterQuery(
        action=action,
        fault=None if fault is None else Fault(str(fault)),
        reason=_reason(document.get("reason")),
        since=parse_instant(document.get("since"), "since"),
        triggers=_triggers(document.get("triggers")),
    )
    return LetterWork(query=query, rate=None if rate is None else float(rate))


def _reason(given: object) -> str | None:
    if given is None:
        return None
    return require_text(given, "reason", longest=LONGEST_PARAMETER)


def _triggers(given: object) -> tuple[str, ...] | None:
    if given is None:
        return None
    ids = require_list(given, "triggers", longest=MOST_CHOSEN)
    return tuple(require_text(each, "a trigger's id", longest=64) for each in ids)
