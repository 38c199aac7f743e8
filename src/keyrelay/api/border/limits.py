"""Limits: the numbers that the border keeps, all of them. docs/api.md lists them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

_KIB, _MIB = 1 << 10, 1 << 20
LARGEST_UPLOAD = 8 * _MIB


def longest_body(path: str) -> int | None:
    """Return how many bytes the body of a request may have; None, any number.

    `path` may stand behind a prefix and end in a slash.
    """
    match path.rstrip("/").split("/"):
        case [*_, "triggers"]:  # read as it comes, in bounded memory
            return None
        case [*_, "analysis", _, "upload"]:
            return LARGEST_UPLOAD
        case [*_, "console", "analyses", _, "script"]:  # the same, from a browser
            return LARGEST_UPLOAD
        case _:
            return _MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadLimits:
    """`within` is the time from a connection, or from the first byte, to the end.

    `target` and `size` are bytes, of the request's target and of its whole head;
    `fields` is how many header fields there may be.
    """

    within: timedelta = timedelta(seconds=10)
    target: int = 8 * _KIB
    size: int = 32 * _KIB
    fields: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimits:
    """In each `window` at least `least` bytes of a body arrive, unless it ends.

    `longest` tells how many bytes the body of a path may have. Of all bodies that are
    being received or answered, `shared` bytes are held at most, beside the first
    `own` of each.
    """

    window: timedelta = timedelta(seconds=10)
    least: int = 8 * _KIB
    longest: Callable[[str], int | None] = longest_body
    own: int = 64 * _KIB
    shared: int = 64 * _MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """`per_address` counts those from one address; of IPv6, from one /64.

    `idle` is how long one is kept without a request, `lingering` how long a refusal is
    left to be read. In each `stalled` a client reads `BodyLimits.least` of an answer.
    `pipelined` is how many requests of one connection may wait for their turn.
    """

    in_all: int = 1000
    per_address: int = 200
    idle: timedelta = timedelta(seconds=75)
    stalled: timedelta = timedelta(seconds=30)
    lingering: timedelta = timedelta(seconds=2)
    pipelined: int = 16

    def within_files(self, files: int) -> "ConnectionLimits":
        """Leave half of the `files` that the process may open to everything else."""
        return replace(self, in_all=min(self.in_all, max(1, files // 2)))


@dataclass(frozen=True, slots=True, kw_only=True)
class BorderLimits:
    head: HeadLimits = field(default_factory=HeadLimits)
    body: BodyLimits = field(default_factory=BodyLimits)
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)
