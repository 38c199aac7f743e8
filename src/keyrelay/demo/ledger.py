"""Ledger: what was accepted, against what has arrived or become a dead letter."""

import json
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from email.message import EmailMessage

from keyrelay.demo import cast


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Triggers by their ids; those that arrived are counted as often as they did."""

    accepted: Collection[str]
    mailed: Counter[str]
    queued: Counter[str]
    buried: Collection[str]

    @property
    def settled(self) -> int:
        return len(self.mailed) + len(self.queued) + len(self.buried)

    @property
    def twice(self) -> list[str]:
        """The triggers that have arrived more than once, in order."""
        arrived = self.mailed + self.queued
        return sorted(id_ for id_, times in arrived.items() if times > 1)

    @property
    def lost(self) -> list[str]:
        kept = {*self.mailed, *self.queued, *self.buried}
        return sorted(set(self.accepted) - kept)

    @property
    def balances(self) -> bool:
        return not self.lost and self.settled == len(self.accepted)


def mailed(mails: Iterable[EmailMessage]) -> Counter[str]:
    """Count by Message-ID, which begins with the trigger's id."""
    return Counter(str(mail["Message-ID"]).strip("<").split(".")[0] for mail in mails)


def queued(bodies: Iterable[str]) -> Counter[str]:
    """Count by pallet; each is the subject of one trigger."""
    names = cast.pallets()
    return Counter(
        names.get(point["value"], "unknown")
        for body in bodies
        for point in json.loads(body)
    )
