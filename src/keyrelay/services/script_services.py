"""Script services: what a script asks is sent at once, by the channel's dispatcher.

The credential comes with the call, and ends with it. In its place stands a keyed digest
of it: pools and circuits know it by that, and so do the records of the calls.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import assert_never

from keyrelay.engine.breaker import Breaker
from keyrelay.engine.circuits import Circuits
from keyrelay.model.action import Message
from keyrelay.model.audit import Change, ChangeRecord, Report
from keyrelay.model.credentials import same_bytes
from keyrelay.model.lifetime import Lifetime
from keyrelay.model.outcome import (
    Deferred,
    Delivered,
    Outcome,
    Part,
    Rejected,
    Uncertain,
)
from keyrelay.model.secret import OpenedSecret, Secret, SecretType, SecretValue
from keyrelay.model.service_call import ServiceCall, ServiceType
from keyrelay.model.trigger import Trigger
from keyrelay.model.world import World
from keyrelay.ports import Dispatcher
from keyrelay.services.script_calls import CallRoom, HandOver
from keyrelay.services.script_records import ScriptRecords

LABEL = "credential of a script"

Mac = Callable[[bytes], bytes]
_SHOWN = 16  # hexadecimal digits of a digest
_MOST_NAMED = 10  # parts
_MOST_CIRCUITS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptService:
    """A channel as scripts use it; its credentials are values of secrets."""

    type: ServiceType
    secret: SecretType
    dispatcher: Dispatcher


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCaller:
    """The analysis whose script calls; `actor` is as in ChangeRecord."""

    profile: str
    analysis: str
    actor: str


def _ignore(_: str) -> None:
    """Do nothing: nothing waits for a credential of a script."""


@dataclass(slots=True, kw_only=True)
class CredentialCircuits:
    """The circuits of the credentials that scripts use, in this process.

    All are forgotten when there are too many: scripts can make up new ones.
    """

    now: Callable[[], datetime]
    slow_limit: int
    _known: set[str] = field(default_factory=set, init=False)
    _breaker: Breaker = field(init=False)

    def __post_init__(self) -> None:
        self._breaker = self._new_breaker()

    def breaker(self, secret: Secret) -> Breaker:
        if len(self._known | {secret.id}) > _MOST_CIRCUITS:
            self._known, self._breaker = set(), self._new_breaker()
        self._known.add(secret.id)
        return self._breaker

    def _new_breaker(self) -> Breaker:
        circuits = Circuits(now=self.now, wake=_ignore)
        return Breaker(slow_limit=self.slow_limit, circuits=circuits, told=_ignore)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptServices:
    """`services` are by channel; `authenticator` is the vault's."""

    services: Mapping[str, ScriptService]
    authenticator: Callable[[str], Awaitable[Mac]]
    records: ScriptRecords
    credentials: CredentialCircuits
    room: CallRoom
    world: World

    async def send(
        self, caller: ServiceCaller, channel: str, document: Mapping[str, object]
    ) -> Outcome:
        """Make the one attempt that was asked for; it is recorded on return.

        Raises InvalidDefinition, TooManyCalls, and Unavailable where nothing was sent;
        NotRecorded, where something may have been.
        """
        service = self.services[channel]
        with self.room.taken(caller.profile):
            call = service.type.parse(document)
            await self.records.settle()
            secret = await self._identity(caller, service, call.credential)
            message = call.instruction.compose(self._trigger(caller, call), ())
            if isinstance(message, Rejected):
                return message
            breaker = self.credentials.breaker(secret)
            if (held := breaker.admit(secret)) is not None:
                return held
            opened = OpenedSecret(secret=secret, value=call.credential)
            with breaker.attempt(secret) as in_flight:
                outcome = await self._attempt(caller, channel, message, opened)
            return breaker.observe(in_flight, outcome)

    async def _attempt(
        self,
        caller: ServiceCaller,
        channel: str,
        message: Message,
        opened: OpenedSecret,
    ) -> Outcome:
        hand_over = HandOver(limits=self.room.limits)
        dispatch = self.services[channel].dispatcher.dispatch
        outcome = None
        try:
            outcome = await hand_over.within_limits(partial(dispatch, message, opened))
        finally:
            # Also of what was cut off, as when the process is stopped.
            ended = outcome or hand_over.cut("the call was cut off")
            detail = _detail(channel, opened.secret, ended)
            await self.records.append(self._record(caller, detail))
        return outcome

    async def _identity(
        self, caller: ServiceCaller, service: ScriptService, credential: SecretValue
    ) -> Secret:
        """Return what stands for the secret; no other profile has the same."""
        mac = await self.authenticator(LABEL)
        owner = json.dumps([caller.profile, service.secret.name]).encode()
        digest = mac(owner + same_bytes(credential, service.secret))
        return Secret(
            id=digest.hex(),
            profile=caller.profile,
            key=service.type.credential,
            type=service.secret.name,
            version=1,
            tags=(),
        )

    def _trigger(self, caller: ServiceCaller, call: ServiceCall) -> Trigger:
        """Return what instructions compose messages of; no queue sees it."""
        now = self.world.now()
        return Trigger(
            id=self.world.new_id(now),
            profile=caller.profile,
            action=caller.analysis,
            data=call.data,
            key=None,
            lifetime=Lifetime(raised_at=now, deadline=now),
        )

    def _record(self, caller: ServiceCaller, detail: str) -> ChangeRecord:
        now = self.world.now()
        return ChangeRecord(
            id=self.world.new_id(now),
            actor=caller.actor,
            profile=caller.profile,
            subject=caller.analysis,
            noun="analysis",
            change=Change.CALLED,
            detail=detail,
            at=now,
        )


def told(outcome: Outcome) -> str:
    """Return what a script is told of an outcome, in a sentence."""
    match outcome:
        case Delivered():
            return "Successfully Sent"
        case Uncertain(reason):
            return f"the receiver may have it: {reason}"
        case Deferred(reason, parts=parts) | Rejected(reason, parts=parts):
            left = [part.name for part in parts if not part.settled]
            if not left or len(left) == len(parts):
                return reason
            return f"{reason}; the others are done, so send again only {_listed(left)}"
        case _:
            assert_never(outcome)


def _detail(channel: str, secret: Secret, outcome: Outcome) -> str:
    match outcome:
        case Delivered(receipt):
            reason = receipt
        case Deferred(reason) | Uncertain(reason) | Rejected(reason):
            pass
        case _:
            assert_never(outcome)
    result = Report(outcome=outcome).result
    parts = _listed([_answered(part) for part in outcome.parts])
    about = f"{channel} with credential {secret.id[:_SHOWN]}: {result}: {reason}"
    return f"{about} ({parts})" if parts else about


def _answered(part: Part) -> str:
    return f"{part.name}: {part.answer}"


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - _MOST_NAMED
    end = f" and {more} more" if more > 0 else ""
    return ", ".join(texts[:_MOST_NAMED]) + end
