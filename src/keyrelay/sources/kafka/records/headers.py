"""Headers: what workers and our own faces write beside a trigger.

What they say is read in records/record.py.
"""

import json

from keyrelay.model.claim import Arrival
from keyrelay.model.lifetime import Lifetime
from keyrelay.model.trigger import Trigger
from keyrelay.sources.kafka.records.position import TopicPartitionOffset
from keyrelay.sources.kafka.records.record import PREFIX, Headers, Wait


def accepted_headers(trigger: Trigger) -> Headers:
    """Return the headers of a trigger that one of our own faces accepts."""
    return _encoded(_revised(trigger.lifetime))


def parked_headers(
    arrival: Arrival,
    origin: TopicPartitionOffset,
    wait: Wait,
    reason: str,
    lifetime: Lifetime,
) -> Headers:
    """Return the headers of a trigger that a worker puts back."""
    headers = {
        "life": str(arrival.generation),
        "turn": str(arrival.sequence),
        "attempts": str(arrival.attempts),
        "cut": json.dumps(arrival.cut),
        "done": json.dumps(sorted(arrival.done)),
        "due": wait.until.isoformat(),
        "reason": reason,
        "origin": str(origin),
    }
    if wait.for_secret is not None:
        headers["waits-for"] = wait.for_secret
    if lifetime.dated_at is not None:
        headers["dated"] = lifetime.dated_at.isoformat()
    return _encoded(headers | _revised(lifetime))


def dead_headers(
    origin: TopicPartitionOffset, reason: str, fault: str, attempts: int
) -> Headers:
    """Return the headers of a dead letter."""
    headers = {
        "reason": reason,
        "fault": fault,
        "attempts": str(attempts),
        "origin": str(origin),
    }
    return _encoded(headers)


def _revised(lifetime: Lifetime) -> dict[str, str]:
    revision = lifetime.revision
    return {} if revision is None else {"revision": str(revision)}


def _encoded(headers: dict[str, str]) -> Headers:
    return [(PREFIX + name, text.encode()) for name, text in headers.items()]
