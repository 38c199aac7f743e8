"""Trigger view: how the status of a trigger is shown."""

from keyrelay.cli.audit_view import record_document
from keyrelay.cli.dead_letter_view import letter_document
from keyrelay.cli.output import Document, date, put_document, show, show_table
from keyrelay.model.backlog import QueueStatus
from keyrelay.services.trigger_status import TriggerStatus

_COLUMNS = ("at", "id", "attempt", "outcome", "settlement", "reason")


def show_status(status: TriggerStatus, *, as_json: bool) -> None:
    fields = {"id": status.trigger, **_state(status.queue)}
    attempts = [record_document(entry) for entry in status.attempts]
    letter = None if status.letter is None else letter_document(status.letter)
    if as_json:
        put_document({**fields, "dead_letter": letter, "attempt_records": attempts})
        return
    show(fields if letter is None else {**fields, "buried_because": letter["reason"]})
    show_table(attempts, _COLUMNS)


def _state(status: QueueStatus | None) -> Document:
    if status is None:
        return {"state": "forgotten"}
    return {
        "state": status.state,
        "attempts": status.attempts,
        "accepted_at": date(status.accepted_at),
        "due": date(status.due),
        "settled_at": date(status.settled_at),
    }
