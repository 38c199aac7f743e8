"""Publishing: triggers put into the queue, each answered once it is durable."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from keyrelay.model.trigger import MalformedTrigger, Trigger
from keyrelay.ports import Inbox
from keyrelay.sources.cutting import Cut, CutOff
from keyrelay.vault.framing import frame

# Reads the document with that number, or raises MalformedTrigger.
ReadTrigger = Callable[[int, bytes], Trigger]
# Returns what reads the documents that are accepted at that time.
Reading = Callable[[datetime], ReadTrigger]
# Tells whether triggers of the action with that id are accepted.
Allowed = Callable[[str], bool]
# Returns for how many of so many more triggers there is room. Raises Unavailable.
Room = Callable[[int], Awaitable[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The trigger would survive a power cut.

    `known`: its id was accepted before, and it is not performed again.
    """

    id: str
    known: bool


@dataclass(frozen=True, slots=True)
class NotAccepted:
    """The document is no trigger, one that comes too late, or one not allowed here.

    `is_denied`: it is not allowed, or there is no such action.
    """

    reason: str
    is_denied: bool = False


class BacklogFull(Exception):
    """There is no room for more triggers now; what was not answered was not kept."""


Published = Accepted | NotAccepted


def numbered_id(profile: str, key: str, number: int) -> str:
    """Return the id of the trigger with that number in a request with that key."""
    framed = frame("idempotency key", profile, key, str(number))
    return hashlib.sha256(framed).hexdigest()[:24]


async def _any_action() -> Allowed:
    return lambda _: True


async def _any_number(wanted: int) -> int:
    return wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """`allowed` is asked once for what is accepted together. Raises Unavailable."""

    inbox: Inbox
    reading: Reading
    now: Callable[[], datetime]
    allowed: Callable[[], Awaitable[Allowed]] = _any_action
    room: Room = _any_number

    async def publish(self, document: bytes) -> Published:
        """Publish one trigger, given as JSON. Raises Unavailable and BacklogFull."""
        answers: list[Published] = []
        await self._publish([(1, document)], lambda _, answer: answers.append(answer))
        return answers[0]

    async def publish_all(
        self,
        parts: AsyncIterator[Sequence[Cut]],
        answer: Callable[[int, Published], None],
    ) -> None:
        """Publish numbered documents, and answer each in their order.

        Those of one part are kept together. One that is refused does not stop the
        others. Raises Unavailable, BacklogFull and what `parts` raises; then all that
        was answered is durable. Of what was not, none was kept if the backlog is full;
        else the part under way may have been.
        """
        async for part in parts:
            await self._publish(part, answer)

    async def _publish(
        self, part: Sequence[Cut], answer: Callable[[int, Published], None]
    ) -> None:
        allowed, at = await self.allowed(), self.now()
        reader = self.reading(at)
        read = [
            (number, _if_allowed(self._read(reader, at, number, each), allowed))
            for number, each in part
        ]
        triggers = [each for _, each in read if isinstance(each, Trigger)]
        room = await self.room(len(triggers)) if triggers else 0
        new = iter(await self.inbox.accept_all(triggers[:room]))
        for number, each in read:
            match each:
                case NotAccepted():
                    answer(number, each)
                case Trigger(id=id_):
                    if (is_new := next(new, None)) is None:
                        raise BacklogFull
                    answer(number, Accepted(id=id_, known=not is_new))
                case _:
                    assert_never(each)

    def _read(
        self, read: ReadTrigger, at: datetime, number: int, document: bytes | CutOff
    ) -> Trigger | NotAccepted:
        if isinstance(document, CutOff):
            return NotAccepted(document.reason)
        try:
            trigger = read(number, document)
        except MalformedTrigger as fault:
            return NotAccepted(str(fault))
        if trigger.lifetime.deadline < at:
            # Kept, it would only become a dead letter.
            return NotAccepted("its deadline has passed; give it a later one, or none")
        return trigger


def _if_allowed(read: Trigger | NotAccepted, allowed: Allowed) -> Trigger | NotAccepted:
    if isinstance(read, NotAccepted) or allowed(read.action):
        return read
    return NotAccepted(
        "its action is none of those that you may publish to", is_denied=True
    )
