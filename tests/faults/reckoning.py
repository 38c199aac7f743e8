"""Reckoning: what was accepted beside what arrived and what was recorded of it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.faults.relay import Relay, trigger_of
from tests.sinks.ledger import Ledger

# Seconds from a record's instant until it is certainly durable, and seen by all that is
# attempted from then on.
DURABLE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoning:
    """Sets of triggers; `accounted` are those whose records say that an attempt was
    uncertain, or that one before it was cut short; `resent` are those that arrived
    again although a durable record said "delivered"."""

    accepted: frozenset[str]
    delivered: frozenset[str]
    buried: frozenset[str]
    repeated: frozenset[str]
    recorded: frozenset[str]
    accounted: frozenset[str]
    resent: frozenset[str]

    @property
    def lost(self) -> frozenset[str]:
        return self.accepted - self.delivered - self.buried

    @property
    def unrecorded(self) -> frozenset[str]:
        return self.delivered - self.recorded

    @property
    def unaccounted(self) -> frozenset[str]:
        return self.repeated - self.accounted

    def __str__(self) -> str:
        share = len(self.repeated) / max(1, len(self.accepted))
        return (
            f"{len(self.accepted)} accepted, {len(self.delivered)} delivered,"
            f" {len(self.buried)} buried, {len(self.lost)} lost,"
            f" {len(self.unrecorded)} unrecorded;"
            f" {len(self.repeated)} more than once ({share:.2%}),"
            f" {len(self.unaccounted)} of them unaccounted for,"
            f" {len(self.resent)} although their record was durable"
        )


def reckon(relay: Relay, ledger: Ledger, accepted: Collection[str]) -> Reckoning:
    """Read ledger, dead letters and attempts, once all is settled."""
    taken: dict[str, list[float]] = {}
    for entry in ledger.entries():
        taken.setdefault(trigger_of(entry.name), []).append(entry.at)
    letters = [str(letter["trigger"]) for letter in _listed(relay, "dead-letter")]
    return compare(accepted, taken, letters, _listed(relay, "attempt"))


def compare(
    accepted: Collection[str],
    taken: Mapping[str, Sequence[float]],
    letters: Collection[str],
    attempts: Collection[Mapping[str, object]],
) -> Reckoning:
    return Reckoning(
        accepted=frozenset(accepted),
        delivered=frozenset(taken),
        buried=frozenset(letters),
        repeated=frozenset(id_ for id_, times in taken.items() if len(times) > 1),
        recorded=frozenset(str(attempt["trigger"]) for attempt in attempts),
        accounted=frozenset(
            str(attempt["trigger"])
            for attempt in attempts
            if attempt["outcome"] == "uncertain" or attempt["repeats"]
        ),
        resent=frozenset(_resent(taken, attempts)),
    )


def _resent(
    taken: Mapping[str, Sequence[float]], attempts: Collection[Mapping[str, object]]
) -> Iterator[str]:
    """Name what arrived when its delivery was already durably recorded."""
    for attempt in attempts:
        id_ = str(attempt["trigger"])
        # While a database is away, records wait: it tells when it had each.
        at = attempt.get("durable_at", attempt["at"])
        recorded = datetime.fromisoformat(str(at)).timestamp()
        last = max(taken.get(id_, [0.0]))
        if attempt["outcome"] == "delivered" and last > recorded + DURABLE:
            yield id_


def _listed(relay: Relay, noun: str) -> list[dict[str, object]]:
    listed = relay.home.read(noun, "list")
    assert isinstance(listed, list)
    return listed
