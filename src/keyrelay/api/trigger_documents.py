"""Trigger documents: what the API shows of triggers, and how its routes describe it."""

from collections.abc import Mapping
from datetime import datetime

from keyrelay.api.described import (
    AFTER,
    AMOUNT,
    FILTER,
    INSTANT,
    TEXT,
    Part,
    as_json,
    described,
    enveloped,
    failures,
    in_query,
    list_of,
    object_of,
    path_id,
)
from keyrelay.api.trigger_formats import EVENT, EVENTS, LINES
from keyrelay.model.backlog import UNSETTLED, QueueEntry, QueueStatus
from keyrelay.model.instant import wire_instant
from keyrelay.model.intervention import Act
from keyrelay.services.trigger_status import TriggerStatus
from keyrelay.stores.dead_letters import reason_of

Document = Mapping[str, object]


def entry_document(entry: QueueEntry) -> Document:
    names = {"id": entry.id, "action": entry.action, "key": entry.key}
    return {**names, **_queue_document(entry.status)}


def status_document(status: TriggerStatus, *, in_full: bool) -> Document:
    """Return where a trigger stands; in full, with the records of its attempts."""
    queue, letter = status.queue, status.letter
    shown: dict[str, object] = {"id": status.trigger, "action": status.action}
    shown |= {"state": "forgotten"} if queue is None else _queue_document(queue)
    if letter is not None:
        shown["reason"] = reason_of(letter)
    if in_full:
        shown["attempt_records"] = [entry.document for entry in status.attempts]
        trigger = status.published
        shown["document"] = None if trigger is None else trigger.document()
    return shown


def _queue_document(status: QueueStatus) -> Document:
    return {
        "state": status.state,
        "attempts": status.attempts,
        "accepted_at": _date(status.accepted_at),
        "due": _date(status.wait.due),
        "reason": status.wait.reason,
        "waits_for": status.wait.secret,
        "settled_at": _date(status.settled_at),
    }


def _date(instant: datetime | None) -> str | None:
    return None if instant is None else wire_instant(instant)


_ID: Part = {"type": "string", "pattern": "^[0-9a-f]{24}$"}
_DATE: Part = {"type": ["string", "null"], "minLength": 1, "maxLength": 40}
_NULLABLE: Part = {"type": ["string", "null"]}
_MOMENT: Part = {"type": ["string", "null"], "format": "date-time"}
_POINT: Part = {
    "type": "object",
    "properties": {
        "variable": _NULLABLE,
        "value": {"type": ["string", "number", "boolean", "null"]},
        "unit": _NULLABLE,
        "time": _DATE,
        "device": _NULLABLE,
        "device_name": _NULLABLE,
        "location": {"type": ["object", "null"]},
    },
}
# All that Trigger.parse takes fits it; what it cannot say, Trigger.parse refuses.
_TRIGGER: Mapping[str, Part] = {
    "id": {
        "type": ["string", "null"],
        "minLength": 1,
        "maxLength": 64,
        "pattern": r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$",
        "description": "The same id is the same trigger, performed once.",
    },
    "profile": {"anyOf": [_ID, {"type": "null"}]},
    "action": _ID,
    "data": {
        "anyOf": [_POINT, {**list_of(_POINT), "maxItems": 1000}, {"type": "null"}]
    },
    "key": {"type": ["string", "null"], "minLength": 1, "maxLength": 128},
    "raised_at": _DATE,
    "deadline": _DATE,
}
TRIGGER = object_of(_TRIGGER, "action")
UNNAMED_TRIGGER = object_of(_TRIGGER)  # where the path names its action
_RESULT: Part = object_of(
    {
        "id": _NULLABLE,
        "state": {"enum": ["accepted", "duplicate", "refused"]},
        "reason": TEXT,
    },
    "id",
    "state",
)
_STATUS: Mapping[str, Part] = {
    "id": TEXT,
    "action": _NULLABLE,
    "state": TEXT,
    "attempts": {"type": "integer"},
    "accepted_at": _MOMENT,
    "due": _MOMENT,
    "reason": _NULLABLE,
    "waits_for": _NULLABLE,
    "settled_at": _MOMENT,
}
_RECORDS: Mapping[str, Part] = {
    "attempt_records": list_of({"type": "object"}),
    "document": {"type": ["object", "null"]},
}
_SHOWN = object_of({**_STATUS, **_RECORDS}, "id", "action", "state")
_LIST = object_of(
    {
        "triggers": list_of(object_of({**_STATUS, "key": _NULLABLE})),
        "next": _NULLABLE,
        "unread": {"type": ["boolean", "null"]},
    },
    "triggers",
    "next",
    "unread",
)
_FAILED: Part = object_of(
    {"status": {"const": False}, "message": TEXT, "result": list_of(_RESULT)},
    "status",
    "message",
)
_KEPT = {"content": as_json(enveloped(list_of(_RESULT)))}

PUBLISHED: Part = {
    "summary": "Publish triggers, and be answered once they are durable",
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Makes the ids of triggers that have none, from their place:"
            " the same request again is the same triggers.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"anyOf": [TRIGGER, list_of(TRIGGER)]},
            },
            **{lines: {"schema": TEXT} for lines in LINES},
            EVENT: {"schema": {"type": "object"}},
            EVENTS: {"schema": list_of({"type": "object"})},
        },
    },
    "responses": {
        "202": {"description": "All are durable.", **_KEPT},
        "207": {"description": "Some are durable, some refused.", **_KEPT},
        **failures("None is kept, or not all was read; see the message.", _FAILED),
    },
}
LISTED = described(
    "List the triggers that are not settled, the oldest first",
    _LIST,
    parameters=[
        in_query("state", {"enum": [*UNSETTLED]}, "Only those that stand so."),
        in_query("action", FILTER, "Only those for the action with this id."),
        in_query("secret", FILTER, "Only those that use the secret with this id."),
        in_query("reason", FILTER, "Only those with this in the reason of their wait."),
        in_query("since", INSTANT, "Only those accepted then or later (RFC 3339)."),
        in_query("until", INSTANT, "Only those accepted before that (RFC 3339)."),
        AFTER,
        AMOUNT,
    ],
)
_TRIGGER_ID = path_id("The id of the trigger.")
SHOWN = described("Show where a trigger stands", _SHOWN, parameters=[_TRIGGER_ID])
ACTED: Mapping[Act, Part] = {
    act: described(summary, _SHOWN, parameters=[_TRIGGER_ID])
    for act, summary in (
        (Act.HOLD, "Keep a trigger from being attempted"),
        (Act.RELEASE, "Let a trigger that is held be attempted"),
        (Act.CANCEL, "End a trigger without another attempt"),
        (Act.RETRY, "Make a trigger that waits due now"),
    )
}
