"""Circuit breaker: pauses a secret whose credential or peer fails, and probes it.

Each secret has a circuit, for its newest version:

    closed      attempts go; failures of the peer in a row are counted
    open        the secret is paused: its triggers are held back
    half-open   the pause is over: one attempt goes as the probe, others are held back

A refused credential opens the circuit at once, and five failures of the peer in a row
open it. A replaced secret begins with a closed one. A probe that the peer answers
closes the circuit; one that fails opens it for twice as long, up to 15 minutes. A
probe that does not return within one more pause is followed by another.

Beside the circuits stands a bulkhead: attempts at slow peers may occupy only so many
lanes, all together. What is held back was no attempt, and spends none.

Michael Nygard, "Release It!" (2007): Circuit Breaker and Bulkheads.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import takewhile

from keyrelay.model.outcome import Blame, Deferred, Outcome, Rejected, Uncertain
from keyrelay.model.secret import Secret

log = logging.getLogger(__name__)

_THRESHOLD = 5  # failures of a peer in a row that open its circuit
_SHORTEST = {Blame.PEER: timedelta(seconds=5), Blame.CREDENTIAL: timedelta(minutes=1)}
_LONGEST = timedelta(minutes=15)
# Triggers that are told to come back for one probe: the first is the probe, and the
# others are there in case that it was settled or leased elsewhere by then.
_CANDIDATES = 3
_BEHIND_PROBE = timedelta(minutes=1)  # how much later all others come back, at least
_SLOW_AFTER = timedelta(seconds=1)
_SLOW_WAIT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pause:
    """Why and since when a circuit is open, and when its next probe is due.

    While a probe is under way, `probe_at` lies one more `length` ahead, so that the
    probe stays alone. `candidates` counts the triggers that were told to come then.
    """

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
class _Circuit:
    """What this process knows of one version of a secret; closed without a pause."""

    version: int
    failures: int = 0
    pause: _Pause | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _InFlight:
    """An attempt, which stands in `attempts` until it ends."""

    attempts: dict["_InFlight", None]
    secret: str
    started_at: datetime

    def __enter__(self) -> None:
        self.attempts[self] = None

    def __exit__(self, *_: object) -> None:
        del self.attempts[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The circuits of all secrets, and the bulkhead for slow peers.

    `slow_limit` is how many attempts at slow peers may be in flight, all together.
    `wake` is called with the id of a secret whose held triggers may go on.
    """

    slow_limit: int
    now: Callable[[], datetime]
    wake: Callable[[str], None]
    _circuits: dict[str, _Circuit] = field(default_factory=dict, init=False)
    _in_flight: dict[_InFlight, None] = field(default_factory=dict, init=False)

    def admit(self, secret: Secret) -> Deferred | None:
        """Return why and how long a trigger is held back; None, it goes.

        In a half-open circuit, the trigger that goes is the probe.
        """
        circuit, now = self._circuit_of(secret), self.now()
        pause = circuit.pause
        if pause is not None and pause.holds(now):
            reason = f"secret {secret.key} is paused: {pause.reason}"
            return _held(reason, self._wait_for_probe(circuit, pause, now), secret)
        if pause is not None:
            since, probe_at = min(pause.since, now), now + pause.length
            circuit.pause = replace(pause, since=since, probe_at=probe_at, candidates=0)
            return None
        slow = self._slow(now)
        if len(slow) >= self.slow_limit and secret.id in slow:
            return _held(f"the server of {secret.key} is slow", _SLOW_WAIT, secret)
        return None

    def attempt(self, secret: Secret) -> AbstractContextManager[None]:
        """Count an attempt as in flight while the block runs."""
        return _InFlight(self._in_flight, secret.id, self.now())

    def observe(self, secret: Secret, outcome: Outcome) -> Outcome:
        """Open or close the circuit after an attempt; return the attempt's outcome.

        The outcome of a refused credential waits for the secret, as long as the pause.
        """
        circuit = self._circuit_of(secret)
        if circuit is not self._circuits[secret.id]:  # of an earlier version
            return outcome
        match outcome:
            case Deferred(blame=Blame.CREDENTIAL):
                length = self._trip(secret, circuit, Blame.CREDENTIAL, outcome.reason)
                wait = max(length, outcome.not_before)
                return replace(outcome, not_before=wait, waits_for=secret.id)
            case Deferred(blame=Blame.PEER) | Uncertain():
                circuit.failures += 1
                if circuit.failures >= _THRESHOLD:
                    self._trip(secret, circuit, Blame.PEER, outcome.reason)
            case Rejected(parts=()) | Deferred(parts=()):
                self._release_probe(circuit)
            case _:
                self._close(secret, circuit)
        return outcome

    def paused(self) -> int:
        """Return how many secrets are paused.

        A pause whose probe has been due for 15 minutes is not counted: no trigger uses
        that secret any more.
        """
        now = self.now()
        pauses = (circuit.pause for circuit in self._circuits.values())
        return sum(
            pause is not None and now < pause.probe_at + _LONGEST for pause in pauses
        )

    def _slow(self, now: datetime) -> list[str]:
        """Return the secrets of the attempts that are slow, one entry for each."""
        # In the order in which they started: behind the first that is not slow, none
        # is, so that where no peer is slow, only one attempt is looked at.
        slow = takewhile(
            lambda attempt: now - attempt.started_at > _SLOW_AFTER, self._in_flight
        )
        return [attempt.secret for attempt in slow]

    def _circuit_of(self, secret: Secret) -> _Circuit:
        known = self._circuits.get(secret.id)
        if known is None or known.version < secret.version:
            known = self._circuits[secret.id] = _Circuit(secret.version)
        # An attempt that began before the secret was replaced says nothing of now.
        return known if known.version == secret.version else _Circuit(secret.version)

    def _wait_for_probe(
        self, circuit: _Circuit, pause: _Pause, now: datetime
    ) -> timedelta:
        """Return how long a held trigger waits: few until the probe, others longer.

        A probe that succeeds wakes the others; after one that fails, they would all
        have come for nothing.
        """
        until_probe = pause.probe_at - now
        if pause.candidates < _CANDIDATES:
            circuit.pause = replace(pause, candidates=pause.candidates + 1)
            return until_probe
        return min(until_probe + max(_BEHIND_PROBE, 4 * pause.length), _LONGEST)

    def _trip(
        self, secret: Secret, circuit: _Circuit, blame: Blame, reason: str
    ) -> timedelta:
        """Open the circuit, after a failed probe for twice as long; return how long."""
        now, pause = self.now(), circuit.pause
        if pause is not None and not pause.is_half_open(now):
            # It was in flight when the circuit opened: no news, and no longer pause.
            return pause.length
        doubled = pause.length * 2 if pause else timedelta()
        length = min(max(doubled, _SHORTEST[blame]), _LONGEST)
        circuit.pause = _Pause(
            reason=reason, since=now, length=length, probe_at=now + length
        )
        log.warning(
            "secret paused",
            extra={"secret": secret.id, "version": secret.version, "reason": reason},
        )
        return length

    def _release_probe(self, circuit: _Circuit) -> None:
        """Let the next trigger be the probe: this attempt never reached the peer."""
        now, pause = self.now(), circuit.pause
        if pause is not None and pause.is_half_open(now):
            circuit.pause = replace(pause, probe_at=now)

    def _close(self, secret: Secret, circuit: _Circuit) -> None:
        circuit.failures = 0
        if circuit.pause is not None:
            circuit.pause = None
            log.warning("secret resumed", extra={"secret": secret.id})
            self.wake(secret.id)


def _held(reason: str, wait: timedelta, secret: Secret) -> Deferred:
    return Deferred(reason, not_before=wait, spends_attempt=False, waits_for=secret.id)
