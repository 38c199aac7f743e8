"""Standing: all that is known of a trigger, from the queue to its dead letter."""

from collections.abc import Sequence
from dataclasses import dataclass

from keyrelay.cli.letters import document_of as letter_document
from keyrelay.cli.output import Document, date
from keyrelay.cli.pages import Pages
from keyrelay.cli.records import Sought
from keyrelay.cli.refusals import Refused
from keyrelay.cli.session import Session
from keyrelay.model.backlog import QueueStatus
from keyrelay.stores.refusals import NotFound

COLUMNS = ("at", "id", "attempt", "outcome", "settlement", "reason")

_MOST = 1000  # attempts that are shown


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerStatus:
    """`attempts` are records, the oldest first."""

    fields: Document
    letter: Document | None
    attempts: Sequence[Document]

    @property
    def in_short(self) -> Document:
        """Return what is shown above a table of the attempts."""
        if self.letter is None:
            return self.fields
        return {**self.fields, "buried_because": self.letter["reason"]}

    @property
    def document(self) -> Document:
        letter, attempts = self.letter, list(self.attempts)
        return {**self.fields, "dead_letter": letter, "attempt_records": attempts}


async def standing(session: Session, trigger: str) -> TriggerStatus:
    """Return where it stands. Raises NotFound, or Refused where nobody can know.

    The queue forgets a trigger some days after it was settled, the audit trail never.
    """
    profile = session.profile.id
    async with session.queue() as queue:
        status = await queue.status(profile, trigger)
    fetch = Sought(kind="attempt", trigger=trigger).fetch()
    pages = Pages(fetch=fetch, columns=())
    attempts = [attempt async for attempt in pages.read(session, _MOST)]
    letter = await _letter(session, trigger)
    if status is None and letter is None and not attempts:
        raise _unknown(session, trigger)
    return TriggerStatus(
        fields={"id": trigger, **_state(status)},
        letter=letter,
        attempts=attempts[::-1],
    )


def _unknown(session: Session, trigger: str) -> Exception:
    if session.settings.is_log:
        return Refused(
            f"no worker has taken a trigger {trigger} from Kafka: either it waits"
            " there, or it was never published"
        )
    return NotFound("trigger", trigger)


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


async def _letter(session: Session, trigger: str) -> Document | None:
    try:
        letter = await session.store.dead_letters.get(session.profile.id, trigger)
    except NotFound:
        return None
    return letter_document(letter)
