"""Burials: the dead letters of concurrent lanes, kept together."""

from dataclasses import dataclass

from keyrelay.concurrency.batching import Batch
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.stores.dead_letters import DeadLetterStore

MOST_TOGETHER = 200


@dataclass(frozen=True, slots=True)
class GroupedDeadLetters:
    """ports.DeadLetters: the letters of concurrent lanes share one commit."""

    batch: Batch[DeadLetter, None]

    async def bury(self, letter: DeadLetter) -> None:
        await self.batch.submit(letter)


def group_burials(store: DeadLetterStore) -> GroupedDeadLetters:
    return GroupedDeadLetters(Batch(run=store.keep, most=MOST_TOGETHER))
