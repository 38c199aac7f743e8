"""The pipeline: one attempt, trigger → action → policy → secret → dispatch."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from keyrelay.engine.breaker import Breaker
from keyrelay.engine.circuit import InFlight
from keyrelay.engine.closing import closed_by, held_while
from keyrelay.engine.exhaustion import exhausted
from keyrelay.model.action import Action, Instruction, Message
from keyrelay.model.audit import LOCKED, NOTHING_USED, Evidence, Report
from keyrelay.model.catalog import Catalog
from keyrelay.model.data_point import facts_of
from keyrelay.model.outcome import (
    Deferred,
    Fault,
    Outcome,
    ReasonClass,
    Rejected,
    Uncertain,
)
from keyrelay.model.policy.policy import Denial, Permit, decide
from keyrelay.model.revision import Revision
from keyrelay.model.secret import SealedSecret, Secret
from keyrelay.model.settlement import Schedule
from keyrelay.model.templates import Fact
from keyrelay.model.trigger import Trigger
from keyrelay.ports import Dispatcher, Lease, LeaveLane, RunAsker, Unsealable, Vault

# Bytes; the other lanes would notice how long a larger message takes to compose.
_LARGEST_IN_LOOP = 256 * 1024
# How long an attempt waits for its peer in a lane. Many mail servers answer sooner. At
# ten times as long, a few silent servers would take all lanes before one came back.
_IN_LANE = timedelta(milliseconds=200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Performers:
    """What performs actions: dispatchers by channel, and what needs no secret."""

    dispatchers: Mapping[str, Dispatcher]
    runs: RunAsker


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Attempts triggers. `now` returns aware datetimes.

    `catalog` is that of a Freshness. `admit` returns why a secret's next trigger is
    held back; None, it goes.
    `attempt` raises Unavailable while catalog or vault do not answer; then nothing is
    sent.
    """

    catalog: Callable[[Revision | None], Awaitable[Catalog]]
    vault: Vault
    performers: Performers
    breaker: Breaker
    admit: Callable[[Secret], Awaitable[Deferred | None]]
    now: Callable[[], datetime]

    async def attempt(self, lease: Lease, leave: LeaveLane) -> Report:
        """Perform the trigger's action once, as the definitions stand now.

        `leave` is called, once at most, when the peer takes long to answer.
        """
        catalog = await self.catalog(lease.trigger.lifetime.revision)
        if (closed := closed_by(catalog, lease.trigger)) is not None:
            return held_while(closed)
        return await self._attempt(catalog, lease, leave)

    async def _attempt(
        self, catalog: Catalog, lease: Lease, leave: LeaveLane
    ) -> Report:
        trigger = lease.trigger
        action = catalog.actions.get((trigger.profile, trigger.action))
        if action is None:
            absent = catalog.absence("action", trigger.profile, trigger.action)
            return _absent(absent)
        if action.locked:
            return LOCKED
        if (ended := self._ended(action, lease)) is not None:
            return Report(outcome=ended, schedule=action.schedule)

        if (needed := action.instruction.secret) is None:
            return await self._ask(catalog, action, lease)
        return await self._send(catalog, action, needed, lease, leave)

    async def _send(
        self,
        catalog: Catalog,
        action: Action,
        needed: str,
        lease: Lease,
        leave: LeaveLane,
    ) -> Report:
        """Send with the secret that is needed, if a policy permits it."""
        trigger = lease.trigger
        sealed = catalog.secrets.get((trigger.profile, needed))
        if sealed is None:
            return _absent(catalog.absence("secret", trigger.profile, needed))
        verdict = decide(catalog.policies_of(trigger.profile), action.tagged, sealed)
        evidence = _evidence(action, trigger, sealed.secret, verdict.policy)
        if isinstance(verdict, Denial):
            return _refused(verdict.reason, ReasonClass.DENIED, evidence)

        message = await _compose(action.instruction, lease)
        if isinstance(message, Rejected):
            return Report(outcome=message, evidence=evidence)
        if (held := await self.admit(sealed.secret)) is not None:
            return await self._held(held, sealed, action.schedule, evidence)
        outcome = await self._dispatch(verdict, action.channel, message, lease, leave)
        evidence = replace(evidence, replaced=message.replaced)
        return Report(outcome=outcome, evidence=evidence, schedule=action.schedule)

    async def _ask(self, catalog: Catalog, action: Action, lease: Lease) -> Report:
        """Ask for runs. Nothing is released here: policies decide on each run."""
        evidence = Evidence(channel=action.channel)
        message = await _compose(action.instruction, lease)
        if isinstance(message, Rejected):
            return Report(outcome=message, evidence=evidence)
        outcome = await self.performers.runs.ask(message, action, catalog)
        return Report(outcome=outcome, evidence=evidence, schedule=action.schedule)

    def _ended(self, action: Action, lease: Lease) -> Rejected | Uncertain | None:
        if not action.active:
            return Rejected(
                f"action {action.name!r} is inactive",
                Fault.DEFINITION,
                why=ReasonClass.NO_DEFINITION,
            )
        return exhausted(lease, action.schedule.attempts, self.now())

    async def _held(
        self,
        held: Deferred,
        sealed: SealedSecret,
        schedule: Schedule,
        evidence: Evidence,
    ) -> Report:
        """Hold the trigger back, unless its secret would not open even after that."""
        try:
            await self.vault.verify(sealed)
        except Unsealable as fault:
            return Report(outcome=_unopened(sealed.secret, fault), evidence=evidence)
        return Report(outcome=held, schedule=schedule, held=True)

    async def _dispatch(
        self,
        permit: Permit,
        channel: str,
        message: Message,
        lease: Lease,
        leave: LeaveLane,
    ) -> Outcome:
        secret = permit.sealed.secret
        try:
            opened = await self.vault.open(permit)
        except Unsealable as fault:
            return _unopened(secret, fault)
        with self.breaker.attempt(secret) as in_flight, self._leaving(in_flight, leave):
            dispatcher = self.performers.dispatchers[channel]
            outcome = await dispatcher.dispatch(message, opened, lease.still_held)
        return self.breaker.observe(in_flight, outcome)

    @contextmanager
    def _leaving(self, in_flight: InFlight, leave: LeaveLane) -> Iterator[None]:
        """Leave the lane if the block takes long, and if the breaker permits it."""

        def linger() -> None:
            if self.breaker.linger(in_flight):
                leave()

        loop = asyncio.get_running_loop()
        waiting = loop.call_later(_IN_LANE.total_seconds(), linger)
        try:
            yield
        finally:
            waiting.cancel()


def _unopened(secret: Secret, fault: Unsealable) -> Rejected:
    return Rejected(
        f"secret {secret.key} does not open: {fault}",
        Fault.SYSTEM,
        why=ReasonClass.UNSEALABLE,
    )


async def _compose(instruction: Instruction, lease: Lease) -> Message | Rejected:
    if instruction.extent(lease.trigger) <= _LARGEST_IN_LOOP:
        return instruction.compose(lease.trigger, lease.done)
    return await asyncio.to_thread(instruction.compose, lease.trigger, lease.done)


def _absent(reason: str) -> Report:
    return _refused(reason, ReasonClass.NO_DEFINITION)


def _refused(
    reason: str, why: ReasonClass, evidence: Evidence = NOTHING_USED
) -> Report:
    refusal = Rejected(reason, Fault.DEFINITION, why=why)
    return Report(outcome=refusal, evidence=evidence)


def _evidence(
    action: Action, trigger: Trigger, secret: Secret, policy: str | None
) -> Evidence:
    return Evidence(
        channel=action.channel,
        secret=secret.id,
        secret_version=secret.version,
        policy=policy,
        missing=_missing(action, trigger),
    )


def _missing(action: Action, trigger: Trigger) -> tuple[Fact, ...]:
    """Return the placeholders that are left empty."""
    facts = facts_of(trigger.data, trigger.lifetime.raised_at)
    return tuple(sorted(action.instruction.mentions - facts.keys()))
