"""Work: how a worker uses a queue; the store and Kafka's opening both import it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """How a worker uses a queue.

    drain: `lease` returns None once nothing is due.
    holds: whether this process holds back what uses the secret of an id.
    is_paused: the same, and while it would let a probe go.
    """

    drain: bool
    holds: Callable[[str], bool]
    is_paused: Callable[[str], bool]
