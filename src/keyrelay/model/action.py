"""Actions: what a trigger asks for, as an administrator defined it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from keyrelay.model.fields import Fields
from keyrelay.model.outcome import Rejected
from keyrelay.model.schedule import CronRule
from keyrelay.model.secret import SecretType
from keyrelay.model.settlement import STANDARD, Schedule
from keyrelay.model.tags import Tagged
from keyrelay.model.templates import Fact
from keyrelay.model.trigger import Trigger

TARGET = "action"  # what policies call an action


class Message(Protocol):
    """What a dispatcher sends, composed from an instruction and a trigger.

    Each channel's instructions compose messages for that channel's dispatcher alone.
    """

    @property
    def replaced(self) -> tuple[str, ...]:
        """The fields of the action in whose texts characters had to be replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePreview:
    """A message as values of JSON, and why its peer would refuse it, or parts of it.

    `replaced` is as in Message.
    """

    document: Mapping[str, object]
    refusals: Sequence[str] = ()
    replaced: Sequence[str] = ()


class PreviewMessage(Protocol):
    """Shows what a dispatcher would send, as far as that is known without the secret.

    `fifo` is as in `Instruction.check`.
    """

    def __call__(self, message: Message, *, fifo: bool) -> MessagePreview: ...


class Instruction(Protocol):
    """What an action does, in the terms of its channel."""

    @property
    def channel(self) -> str:
        """The name of its action type, by which its dispatcher is found."""

    @property
    def secret(self) -> str | None:
        """The id of the secret that it needs; None, it needs none."""

    @property
    def mentions(self) -> frozenset[Fact]:
        """The facts that its templates print."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences for people, when it is stored, on how its templates are read."""

    def check(self, *, fifo: bool) -> None:
        """Raise InvalidDefinition for a secret that it cannot use.

        `fifo` tells that the secret names a FIFO queue.
        """

    def extent(self, trigger: Trigger) -> int:
        """Return about how many bytes `compose` makes; this itself costs little."""

    def compose(self, trigger: Trigger, done: Collection[str]) -> Message | Rejected:
        """Fill its templates with the trigger's data.

        Parts named in `done` are left out. Rejected, with fault `trigger`: data that
        cannot be sent, and a message of which no part remains.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionType:
    """One way to act: the value of `type`, the secret it may need, its document.

    `parse` reads the document, whose members are `type` and the `fields`, or raises
    InvalidDefinition. `preview` shows what its instructions compose.
    """

    name: str
    secret: SecretType | None
    fields: Fields
    parse: Callable[[Mapping[str, object]], Instruction]
    preview: PreviewMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """If it is inactive, its triggers are refused; if locked, they do nothing."""

    active: bool
    locked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What raises an action's triggers, as its document says.

    `type` is TagoIO's word. At `times` they are raised here; all others, by programs.
    """

    type: str
    times: tuple[timedelta | CronRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """`name` is for people; policies and triggers go by `tagged.id`.

    `retry` is what its document asks for; None, nothing.
    """

    tagged: Tagged
    name: str
    switches: Switches
    occasion: Occasion
    instruction: Instruction
    retry: Schedule | None

    @property
    def schedule(self) -> Schedule:
        """Return by which schedule its triggers are attempted again."""
        return self.retry or STANDARD

    @property
    def active(self) -> bool:
        return self.switches.active

    @property
    def locked(self) -> bool:
        return self.switches.locked

    @property
    def channel(self) -> str:
        return self.instruction.channel
