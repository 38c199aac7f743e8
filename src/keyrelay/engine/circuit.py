"""Circuit: what a worker knows of the peer of one version of a secret."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from keyrelay.model.pause import LONGEST_PAUSE, PauseKind, SharedPause
from keyrelay.model.secret import Secret

_NEVER = datetime.min.replace(tzinfo=UTC)
# Triggers that are told to come back for one probe: the first is the probe, and the
# others are there in case that it was settled or leased elsewhere by then.
_CANDIDATES = 3
# As many as one secret has sessions with its mail server.
_AT_SLOW_PEER = 8
_BEHIND_PROBE = timedelta(minutes=1)  # how much later all others come back, at least
# Triggers that are held back for want of room come back one after the other: if all
# came at the same moment, they would be put back again for nothing.
_TURN = timedelta(milliseconds=20)
_LATEST_TURN = timedelta(minutes=1)
_SLOW_AFTER = timedelta(seconds=1)
# Longer: with so many attempts under way, a busy processor makes each of them slow.
_OWES_AFTER = timedelta(seconds=3)
# Times of two databases' answers differ so much, although they are of the same probe.
_SAME = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Why and since when a circuit is open, and when its next probe is due.

    While a probe is under way, `probe_at` lies one more `length` ahead, so that the
    probe stays alone. `candidates` counts the triggers that were told to come then.
    """

    kind: PauseKind
    reason: str
    since: datetime
    length: timedelta
    probe_at: datetime
    candidates: int = 0

    def holds(self, now: datetime) -> bool:
        # A clock that was set back must not make a pause longer.
        return self.since <= now < self.probe_at

    def is_half_open(self, now: datetime) -> bool:
        return now >= self.since + self.length


@dataclass(slots=True)
class Room:
    """How many attempts may be in flight while the peer throttles.

    `at_once` is None while it does not.
    """

    at_once: float | None = None
    in_flight: int = 0
    _last_turn: datetime = _NEVER

    @property
    def is_full(self) -> bool:
        return self.at_once is not None and self.in_flight >= int(self.at_once)

    def wait(
        self, at_least: timedelta, now: datetime, silence: timedelta = timedelta()
    ) -> timedelta:
        """Return how long a trigger waits that is held back for want of room.

        `silence` is for how long the peer has owed an answer: turns come as often as
        its attempts seem to end.
        """
        each = max(_TURN, silence / max(1, self.in_flight))
        turn = max(now + at_least, min(self._last_turn + each, now + _LATEST_TURN))
        self._last_turn = turn
        return turn - now

    def shrink(self) -> bool:
        """Halve the attempts at once; False, there is no more than one already."""
        before = self.at_once or float(self.in_flight + 1)
        self.at_once = max(1.0, before / 2)
        return before > 1

    def grow(self, limit: int) -> None:
        """Admit one more at once for each round of answers, and all from `limit` on."""
        if self.at_once is not None:
            more = self.at_once + 1 / self.at_once
            self.at_once = more if more < limit else None


@dataclass(slots=True)
class Circuit:
    """The state of a circuit; it is closed without a `pause`.

    `failures` are those in a row, and `observed` is their number ever.
    """

    version: int
    failures: int = 0
    observed: int = 0
    pause: Pause | None = None
    room: Room = field(default_factory=Room)
    # Those under way without a lane, in the order in which they started.
    lingering: dict["InFlight", None] = field(default_factory=dict)

    def silence(self, now: datetime) -> timedelta | None:
        """Return for how long the peer has owed an answer, where it owes too many.

        It does where half of its attempts, and of eight at least, last for seconds.
        """
        before = now - _OWES_AFTER
        owed = takewhile(lambda each: each.started_at < before, self.lingering)
        in_flight = self.room.in_flight
        if in_flight < _AT_SLOW_PEER or 2 * sum(1 for _ in owed) < in_flight:
            return None
        return now - next(iter(self.lingering)).started_at

    @property
    def is_refused(self) -> bool:
        return self.pause is not None and self.pause.kind is PauseKind.REFUSED

    def obey(self, shared: SharedPause, now: datetime) -> None:
        """Open, as another worker did whose credential was refused."""
        before = self.pause if self.is_refused else None
        if before is not None and shared.probed_here:
            return  # what becomes of the probe is known here first
        moved = before is None or abs(before.probe_at - shared.probe_at) > _SAME
        self.pause = Pause(
            kind=PauseKind.REFUSED,
            reason=shared.reason,
            since=min(shared.probe_at - shared.length, now),
            length=shared.length,
            probe_at=shared.probe_at,
            candidates=0 if before is None or moved else before.candidates,
        )

    def shared(self, secret: str) -> SharedPause:
        """Return the pause of this circuit, which is open, of the secret of that id."""
        assert self.pause is not None
        return SharedPause(
            secret=secret,
            version=self.version,
            reason=self.pause.reason,
            length=self.pause.length,
            probe_at=self.pause.probe_at,
        )

    def begin_probe(self, pause: Pause, now: datetime) -> None:
        """Let one attempt go, and hold the others back for one more length."""
        since, probe_at = min(pause.since, now), now + pause.length
        self.pause = replace(pause, since=since, probe_at=probe_at, candidates=0)

    def end_probe(self, now: datetime) -> None:
        """Let the next trigger be the probe: the last one never reached the peer."""
        if self.pause is not None and self.pause.is_half_open(now):
            self.pause = replace(self.pause, probe_at=now)

    def wait_for_probe(self, pause: Pause, now: datetime) -> timedelta:
        """Return how long a held trigger waits: few until the probe, others longer.

        A probe that succeeds wakes the others; after one that fails, they would all
        have come for nothing.
        """
        until_probe = pause.probe_at - now
        if pause.candidates < _CANDIDATES:
            self.pause = replace(pause, candidates=pause.candidates + 1)
            return until_probe
        return min(until_probe + max(_BEHIND_PROBE, 4 * pause.length), LONGEST_PAUSE)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InFlight:
    """An attempt under way; `observed` is its circuit's when it began."""

    secret: Secret
    circuit: Circuit
    observed: int
    started_at: datetime

    def is_slow(self, now: datetime) -> bool:
        return now - self.started_at > _SLOW_AFTER
