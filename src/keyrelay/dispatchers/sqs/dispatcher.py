"""Dispatcher: puts a trigger's messages on a queue."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from keyrelay.dispatchers.sqs.action import QueueMessage, QueueMessages
from keyrelay.dispatchers.sqs.credentials import NAME, SqsCredentials, sqs_credentials
from keyrelay.dispatchers.sqs.pool import ClientPool, Line
from keyrelay.dispatchers.sqs.verdict import combine
from keyrelay.model.action import Message
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.outcome import Deferred, Delivered, Fault, Outcome, Rejected
from keyrelay.model.secret import OpenedSecret

_WAITS = Deferred("waits for the message before it in its group")

Chain = Sequence[QueueMessage]


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsDispatcher:
    """On a FIFO queue at most one message of a group is under way.

    Two in one call would not do: SQS may refuse the first and take the second.
    """

    endpoints: Collection[str]
    pool: ClientPool
    _turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = field(
        default_factory=WeakValueDictionary, init=False
    )

    async def dispatch(self, message: Message, secret: OpenedSecret) -> Outcome:
        """Send what is left of the trigger, once; ports.Dispatcher."""
        assert isinstance(message, QueueMessages)
        about = secret.secret
        if about.type != NAME:
            return Rejected(
                f"secret {about.key} is of type {about.type}; a queue needs aws-sqs",
                Fault.DEFINITION,
            )
        try:
            credentials = sqs_credentials(secret.value, self.endpoints)
        except InvalidDefinition as fault:
            return Rejected(f"secret {about.key}: {fault}", Fault.DEFINITION)
        async with self.pool.borrow(about, credentials.queue_url) as line:
            return await self._send_all(message.messages, line, credentials)

    async def close(self) -> None:
        """Wait for calls under way, and close all connections."""
        await self.pool.close()

    async def _send_all(
        self, messages: Chain, line: Line, credentials: SqsCredentials
    ) -> Outcome:
        chains = _by_group(messages) if line.queue.fifo else [[m] for m in messages]
        async with asyncio.TaskGroup() as tasks:
            sent = [
                tasks.create_task(self._send_chain(chain, line, credentials))
                for chain in chains
            ]
        outcomes = {
            part: outcome for task in sent for part, outcome in task.result().items()
        }
        return combine([(message.part, outcomes[message.part]) for message in messages])

    async def _send_chain(
        self, chain: Chain, line: Line, credentials: SqsCredentials
    ) -> dict[str, Outcome]:
        if not line.queue.fifo:
            return {m.part: await line.send(m, credentials) for m in chain}
        async with self._turn(line, chain[0].group_id or ""):
            return await _send_in_order(chain, line, credentials)

    def _turn(self, line: Line, group: str) -> asyncio.Lock:
        """Return the group's lock, which is forgotten once nobody holds it."""
        return self._turns.setdefault((line.queue.url, group), asyncio.Lock())


async def _send_in_order(
    chain: Chain, line: Line, credentials: SqsCredentials
) -> dict[str, Outcome]:
    """Stop where SQS may take a message later: what follows must not overtake it.

    A message rejected for its own sake is passed over, for it holds up nobody.
    """
    outcomes: dict[str, Outcome] = {}
    for message in chain:
        outcome = outcomes[message.part] = await line.send(message, credentials)
        if not _lets_pass(outcome):
            rest = outcome if isinstance(outcome, Rejected) else _WAITS
            return {follower.part: rest for follower in chain} | outcomes
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
