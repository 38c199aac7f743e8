"""Pauses: why the triggers of a secret wait, for all workers or for one of them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

LONGEST_PAUSE = timedelta(minutes=15)  # until the next probe


class PauseKind(StrEnum):
    """What was wrong, and so which workers obey."""

    REFUSED = "refused"  # the credential was refused: all workers obey
    UNREACHABLE = "unreachable"  # one worker cannot reach the peer: it alone obeys


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPause:
    """A pause of one version of a secret, as workers tell it each other.

    It lasts for `length`, until a probe is due at `probe_at` by this process's clock.
    `probed_here` tells that this process makes that probe.
    """

    secret: str
    version: int
    reason: str
    length: timedelta
    probe_at: datetime
    probed_here: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseRecord:
    """A pause as people see it, and since when it lasts, with all failed probes.

    `worker` is the name of the worker that cannot reach the peer; None, the credential
    was refused.
    """

    secret: str
    reason: str
    since: datetime
    probe_at: datetime
    worker: str | None

    @property
    def kind(self) -> PauseKind:
        return PauseKind.REFUSED if self.worker is None else PauseKind.UNREACHABLE
