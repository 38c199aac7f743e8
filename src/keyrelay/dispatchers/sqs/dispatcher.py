"""Dispatcher: puts a trigger's messages on a queue."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from keyrelay.dispatchers.outcomes import combine
from keyrelay.dispatchers.sqs.credentials import NAME, sqs_credentials
from keyrelay.dispatchers.sqs.instruction import QueueMessage, QueueMessages
from keyrelay.dispatchers.sqs.pool import SenderPool
from keyrelay.dispatchers.sqs.sender import Caller, QueueSender
from keyrelay.model.action import Message
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.outcome import Deferred, Delivered, Fault, Outcome, Rejected
from keyrelay.model.secret import OpenedSecret
from keyrelay.ports import StillHeld

_WAITS = Deferred("waits for the message before it in its group")

Group = Sequence[QueueMessage]  # in order; on a standard queue each has one message


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsDispatcher:
    """Sends queue messages (ports.Dispatcher).

    On a FIFO queue at most one message of a group is under way. Two in one call would
    lose their order when SQS refuses the first and takes the second. A secret may name
    a queue at AWS or at one of the `endpoints`.
    """

    endpoints: Collection[str]
    pool: SenderPool
    _group_locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = field(
        default_factory=WeakValueDictionary, init=False
    )

    async def dispatch(
        self,
        message: Message,
        secret: OpenedSecret,
        still_held: StillHeld | None = None,
    ) -> Outcome:
        """Make one attempt to send the trigger's remaining messages."""
        assert isinstance(message, QueueMessages)
        needed = secret.secret
        if needed.type != NAME:
            return Rejected(
                f"secret {needed.key} is of type {needed.type}; a queue needs aws-sqs",
                Fault.DEFINITION,
            )
        try:
            credentials = sqs_credentials(secret.value, self.endpoints)
        except InvalidDefinition as invalid:
            return Rejected(f"secret {needed.key}: {invalid}", Fault.DEFINITION)
        async with self.pool.acquire(needed, credentials.queue_url) as sender:
            caller = Caller(credentials, still_held)
            return await self._send_all(message.messages, sender, caller)

    async def close(self) -> None:
        """Wait for calls under way, and close all connections."""
        await self.pool.close()

    async def _send_all(
        self, messages: Group, sender: QueueSender, caller: Caller
    ) -> Outcome:
        groups = _by_group(messages) if sender.queue.fifo else [[m] for m in messages]
        async with asyncio.TaskGroup() as tasks:
            sent = [
                tasks.create_task(self._send_group(group, sender, caller))
                for group in groups
            ]
        outcomes = {
            part: outcome for task in sent for part, outcome in task.result().items()
        }
        return combine([(message.part, outcomes[message.part]) for message in messages])

    async def _send_group(
        self, group: Group, sender: QueueSender, caller: Caller
    ) -> dict[str, Outcome]:
        if not sender.queue.fifo:
            return {m.part: await sender.send(m, caller) for m in group}
        async with self._group_lock(sender, group[0].group_id or ""):
            return await _send_in_order(group, sender, caller)

    def _group_lock(self, sender: QueueSender, group: str) -> asyncio.Lock:
        """Return the group's lock, which is dropped when its last user has left."""
        return self._group_locks.setdefault((sender.queue.url, group), asyncio.Lock())


async def _send_in_order(
    group: Group, sender: QueueSender, caller: Caller
) -> dict[str, Outcome]:
    """Stop at a message that SQS may take later, as no other may overtake it.

    A message rejected by fault `trigger` is passed over: no attempt will send it.
    """
    outcomes: dict[str, Outcome] = {}
    for message in group:
        outcome = outcomes[message.part] = await sender.send(message, caller)
        if not _lets_pass(outcome):
            rest = outcome if isinstance(outcome, Rejected) else _WAITS
            return {follower.part: rest for follower in group} | outcomes
    return outcomes


def _lets_pass(outcome: Outcome) -> bool:
    match outcome:
        case Delivered() | Rejected(fault=Fault.TRIGGER):
            return True
        case _:
            return False


def _by_group(messages: Iterable[QueueMessage]) -> list[list[QueueMessage]]:
    groups: dict[str | None, list[QueueMessage]] = {}
    for message in messages:
        groups.setdefault(message.group_id, []).append(message)
    return list(groups.values())
