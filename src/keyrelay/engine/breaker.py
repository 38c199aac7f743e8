"""Pauses: secrets that are better left alone for a while, and why.

A refused credential pauses its version of the secret until the secret is replaced;
a dead or busy peer is left alone after a few failures; a slow one may not take
every lane. What is held back was no attempt. Now and then one trigger goes ahead
as the probe that ends a pause.
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

_TOLERATED = 5  # failures of a peer in a row
_FIRST = {Blame.PEER: timedelta(seconds=5), Blame.CREDENTIAL: timedelta(minutes=1)}
_LONGEST = timedelta(minutes=15)
_EXPECTED = 3  # for each probe, of which one may be gone by then
_AFTER = timedelta(minutes=1)  # at the least, for those who are not
_SLOW = timedelta(seconds=1)
_CROWD_WAIT = timedelta(seconds=5)

_Begun = tuple[str, datetime]  # with which secret, and when


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pause:
    """`probe_at` moves ahead while a probe is under way, so that it stays alone;
    `expected` are the triggers that come back then to be the next one."""

    reason: str
    since: datetime
    length: timedelta
    probe_at: datetime
    expected: int = 0

    def holds(self, now: datetime) -> bool:
        # A clock that was set back must not make a pause longer.
        return self.since <= now < self.probe_at

    def is_probing(self, now: datetime) -> bool:
        return now >= self.since + self.length


@dataclass(slots=True)
class _Health:
    """What is known of one version of one secret, in this process."""

    version: int
    failures: int = 0
    pause: _Pause | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _UnderWay:
    """An attempt among `all` that are under way, for as long as it is."""

    all: dict[object, _Begun]
    begun: _Begun

    def __enter__(self) -> None:
        self.all[self] = self.begun

    def __exit__(self, *_: object) -> None:
        del self.all[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """`share` is how many attempts slow peers may have under way, all together;
    `wake` is called with a secret's id when what waits for it may go on."""

    share: int
    now: Callable[[], datetime]
    wake: Callable[[str], None]
    _healths: dict[str, _Health] = field(default_factory=dict, init=False)
    _under_way: dict[object, _Begun] = field(default_factory=dict, init=False)

    def held(self, secret: Secret) -> Deferred | None:
        """Return why a trigger must wait; None, it may go, perhaps as the probe."""
        health, now = self._health(secret), self.now()
        pause = health.pause
        if pause is not None and pause.holds(now):
            reason = f"secret {secret.key} is paused: {pause.reason}"
            return _wait(reason, self._appointment(health, pause, now), secret)
        if pause is not None:
            since, probe_at = min(pause.since, now), now + pause.length
            health.pause = replace(pause, since=since, probe_at=probe_at, expected=0)
            return None
        slow = self._slow(now)
        if len(slow) >= self.share and secret.id in slow:
            return _wait(f"the server of {secret.key} is slow", _CROWD_WAIT, secret)
        return None

    def attempt(self, secret: Secret) -> AbstractContextManager[None]:
        """Count an attempt as under way."""
        return _UnderWay(self._under_way, (secret.id, self.now()))

    def observe(self, secret: Secret, outcome: Outcome) -> Outcome:
        """Learn from an attempt; return its outcome, waiting for the secret if so."""
        health = self._health(secret)
        if health is not self._healths[secret.id]:  # of an earlier version
            return outcome
        match outcome:
            case Deferred(blame=Blame.CREDENTIAL):
                length = self._pause(secret, health, Blame.CREDENTIAL, outcome.reason)
                wait = max(length, outcome.not_before)
                return replace(outcome, not_before=wait, waits_for=secret.id)
            case Deferred(blame=Blame.PEER) | Uncertain():
                health.failures += 1
                if health.failures >= _TOLERATED:
                    self._pause(secret, health, Blame.PEER, outcome.reason)
            case Rejected(parts=()) | Deferred(parts=()):
                self._pass_on(health)
            case _:
                self._lift(secret, health)
        return outcome

    def paused(self) -> int:
        """Return how many secrets are paused, but for those nobody comes for."""
        now = self.now()
        breaker = (health.pause for health in self._healths.values())
        return sum(
            pause is not None and now < pause.probe_at + _LONGEST for pause in breaker
        )

    def _slow(self, now: datetime) -> list[str]:
        """Return whose attempts have been under way for long, one entry for each."""
        # In the order of their beginning: none after the first that is not is slow,
        # and where no peer is, no more than one is looked at.
        begun = takewhile(lambda each: now - each[1] > _SLOW, self._under_way.values())
        return [id_ for id_, _ in begun]

    def _health(self, secret: Secret) -> _Health:
        known = self._healths.get(secret.id)
        if known is None or known.version < secret.version:
            known = self._healths[secret.id] = _Health(secret.version)
        # An attempt that began before the secret was replaced says nothing of now.
        return known if known.version == secret.version else _Health(secret.version)

    def _appointment(self, health: _Health, pause: _Pause, now: datetime) -> timedelta:
        """Return when to come back: a few for the probe, all others much later.

        If the probe goes well they are woken; if not, they would all have come for
        nothing.
        """
        soon = pause.probe_at - now
        if pause.expected < _EXPECTED:
            health.pause = replace(pause, expected=pause.expected + 1)
            return soon
        return min(soon + max(_AFTER, 4 * pause.length), _LONGEST)

    def _pause(
        self, secret: Secret, health: _Health, blame: Blame, reason: str
    ) -> timedelta:
        now, pause = self.now(), health.pause
        if pause is not None and not pause.is_probing(now):
            # It was under way when the pause began: no news, and no longer a pause.
            return pause.length
        doubled = pause.length * 2 if pause else timedelta()
        length = min(max(doubled, _FIRST[blame]), _LONGEST)
        health.pause = _Pause(
            reason=reason, since=now, length=length, probe_at=now + length
        )
        log.warning(
            "secret paused",
            extra={"secret": secret.id, "version": secret.version, "reason": reason},
        )
        return length

    def _pass_on(self, health: _Health) -> None:
        """Let the next one be the probe: of this one the peer said nothing."""
        now, pause = self.now(), health.pause
        if pause is not None and pause.is_probing(now):
            health.pause = replace(pause, probe_at=now)

    def _lift(self, secret: Secret, health: _Health) -> None:
        health.failures = 0
        if health.pause is not None:
            health.pause = None
            log.warning("secret resumed", extra={"secret": secret.id})
            self.wake(secret.id)


def _wait(reason: str, wait: timedelta, secret: Secret) -> Deferred:
    return Deferred(reason, not_before=wait, spends_attempt=False, waits_for=secret.id)
