"""Circuit breaker: pauses a secret whose credential or peer fails, and probes it.

Each secret has a circuit, for its newest version:

    closed      attempts go; failures of the peer in a row are counted
    open        the secret is paused: its triggers are held back
    half-open   the pause is over: one attempt goes as the probe, others are held back

A refused credential opens the circuit at once, and five failures of the peer in a row
open it. Failures that were under way together are one: each says no more of the peer
than the first. A peer that throttles is sent half as much at once, then half of that;
its refusals are failures only when they follow single attempts. A peer that is slow
does not fail.

A refused credential is refused to all workers: they tell each other (pausing.py), and
one of them probes. A peer that fails may fail this worker alone.

A replaced secret begins with a closed circuit. A probe that the peer answers closes it;
one that fails opens it for twice as long, up to 15 minutes. A probe that does not
return within one more pause is followed by another.

Beside the circuits stand bulkheads. An attempt that waits for its peer goes on without
a lane, where not too many of its secret or of all secrets do. A peer that owes many
answers gets no more attempts than a mail server gets sessions. Attempts at slow peers
that have kept their lanes occupy only so many of them, all together. What is held back
was no attempt, and spends none.

Michael Nygard, "Release It!" (2007): Circuit Breaker and Bulkheads. Chiu and Jain,
"Analysis of the Increase and Decrease Algorithms for Congestion Avoidance" (1989).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import takewhile

from keyrelay.engine.circuit import Circuit, InFlight, Pause
from keyrelay.engine.circuits import Circuits, log_pause
from keyrelay.model.outcome import Blame, Deferred, Outcome, Rejected, Uncertain
from keyrelay.model.pause import LONGEST_PAUSE, PauseKind, SharedPause
from keyrelay.model.secret import Secret

_THRESHOLD = 5  # failures of a peer in a row that open its circuit
_SHORTEST = {
    PauseKind.UNREACHABLE: timedelta(seconds=5),
    PauseKind.REFUSED: timedelta(minutes=1),
}
# Without a lane. Each holds a message and a connection, and a process may have 1024.
_LINGERING_EACH = 16  # of one version of a secret
_LINGERING = 256
_SLOW_WAIT = timedelta(seconds=5)
_THROTTLED_WAIT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The circuits of all secrets, and the bulkheads for slow peers.

    `slow_limit` is how many lanes attempts at slow peers may occupy, all together.
    `told` is called with the id of a secret whose credential was refused, or is taken
    after it was refused.
    """

    slow_limit: int
    circuits: Circuits
    told: Callable[[str], None]
    _in_lanes: dict[InFlight, None] = field(default_factory=dict, init=False)
    _lingering: set[InFlight] = field(default_factory=set, init=False)

    def admit(self, secret: Secret) -> Deferred | None:
        """Return why and how long a trigger is held back; None, it goes.

        In a half-open circuit, the trigger that goes is the probe.
        """
        circuit, now = self.circuits.of(secret), self.circuits.now()
        pause = circuit.pause
        if pause is not None and pause.holds(now):
            reason = f"secret {secret.key} is paused: {pause.reason}"
            return _held(reason, circuit.wait_for_probe(pause, now), secret)
        if pause is not None:
            circuit.begin_probe(pause, now)
            return None
        if circuit.room.is_full:
            wait = circuit.room.wait(_THROTTLED_WAIT, now)
            return _no_room(f"the peer of {secret.key} throttles", wait)
        if (silence := circuit.silence(now)) is not None:
            wait = circuit.room.wait(_SLOW_WAIT, now, silence)
            reason = f"the server of {secret.key} is slow"
            return _held(reason, wait, secret)  # a new version may name another server
        slow = self._slow(now)
        if len(slow) >= self.slow_limit and secret.id in slow:
            wait = circuit.room.wait(_SLOW_WAIT, now)
            return _no_room(f"the server of {secret.key} is slow", wait)
        return None

    def refusal_probed(self, secret: Secret) -> SharedPause | None:
        """Return the pause that the trigger just admitted probes; None, it does not."""
        circuit = self.circuits.of(secret)
        return circuit.shared(secret.id) if circuit.is_refused else None

    def end_probe(self, secret: Secret) -> None:
        """Let the next trigger be the probe: the last one was not made."""
        self.circuits.of(secret).end_probe(self.circuits.now())

    @contextmanager
    def attempt(self, secret: Secret) -> Iterator[InFlight]:
        """Count an attempt as in flight while the block runs."""
        circuit = self.circuits.of(secret)
        in_flight = InFlight(
            secret=secret,
            circuit=circuit,
            observed=circuit.observed,
            started_at=self.circuits.now(),
        )
        self._in_lanes[in_flight] = None
        circuit.room.in_flight += 1
        try:
            yield in_flight
        finally:
            circuit.room.in_flight -= 1
            self._in_lanes.pop(in_flight, None)
            circuit.lingering.pop(in_flight, None)
            self._lingering.discard(in_flight)

    def linger(self, attempt: InFlight) -> bool:
        """Tell whether the attempt may go on without its lane, and count it so."""
        of_secret = attempt.circuit.lingering
        if len(of_secret) >= _LINGERING_EACH or len(self._lingering) >= _LINGERING:
            return False
        del self._in_lanes[attempt]
        of_secret[attempt] = None
        self._lingering.add(attempt)
        return True

    def lingering(self) -> int:
        """Return how many attempts are under way without a lane."""
        return len(self._lingering)

    def observe(self, attempt: InFlight, outcome: Outcome) -> Outcome:
        """Open or close the circuit after an attempt; return the attempt's outcome.

        The outcome of a refused credential waits for the secret, as long as the pause.
        """
        secret, circuit = attempt.secret, attempt.circuit
        if circuit is not self.circuits.known(secret.id):  # of an earlier version
            return outcome
        match outcome:
            case Deferred(blame=Blame.CREDENTIAL):
                kind = PauseKind.REFUSED
                length = self._trip(secret, circuit, kind, outcome.reason)
                wait = max(length, outcome.not_before)
                return replace(outcome, not_before=wait, waits_for=secret.id)
            case Deferred(blame=Blame.PEER | Blame.RATE) | Uncertain():
                # One that began before the last failure was observed is no news.
                if attempt.observed == circuit.observed:
                    circuit.observed += 1
                    self._count(secret, circuit, outcome)
            case Rejected(parts=()) | Deferred(parts=()):
                circuit.end_probe(self.circuits.now())
            case _:
                self._close(secret, circuit)
        return outcome

    def _slow(self, now: datetime) -> list[str]:
        """Return the secrets of slow attempts in lanes, one entry for each."""
        # In the order in which they started: behind the first that is not slow, none
        # is, so that where no peer is slow, only one attempt is looked at.
        slow = takewhile(lambda attempt: attempt.is_slow(now), self._in_lanes)
        return [attempt.secret.id for attempt in slow]

    def _count(
        self, secret: Secret, circuit: Circuit, failure: Deferred | Uncertain
    ) -> None:
        throttled = isinstance(failure, Deferred) and failure.blame is Blame.RATE
        if throttled and circuit.pause is None and circuit.room.shrink():
            return
        if circuit.is_refused:
            return  # another probe follows
        circuit.failures += 1
        if circuit.failures >= _THRESHOLD:
            self._trip(secret, circuit, PauseKind.UNREACHABLE, failure.reason)

    def _trip(
        self, secret: Secret, circuit: Circuit, kind: PauseKind, reason: str
    ) -> timedelta:
        """Open the circuit, after a failed probe for twice as long; return how long."""
        now, pause = self.circuits.now(), circuit.pause
        if pause is not None and pause.kind is kind and not pause.is_half_open(now):
            # It was in flight when the circuit opened: no news, and no longer pause.
            return pause.length
        doubled = pause.length * 2 if pause else timedelta()
        length = min(max(doubled, _SHORTEST[kind]), LONGEST_PAUSE)
        circuit.pause = Pause(
            kind=kind, reason=reason, since=now, length=length, probe_at=now + length
        )
        log_pause(secret.id, secret.version, reason)
        if kind is PauseKind.REFUSED:
            self.told(secret.id)
        return length

    def _close(self, secret: Secret, circuit: Circuit) -> None:
        circuit.failures = 0
        if circuit.is_refused:
            self.told(secret.id)
        self.circuits.resume(secret.id)
        circuit.room.grow(self.slow_limit)


def _no_room(reason: str, wait: timedelta) -> Deferred:
    # It waits for no pause to end: what is woken would be held back again at once.
    return Deferred(reason, not_before=wait, spends_attempt=False)


def _held(reason: str, wait: timedelta, secret: Secret) -> Deferred:
    return Deferred(reason, not_before=wait, spends_attempt=False, waits_for=secret.id)
