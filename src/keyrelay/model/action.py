"""Actions: what a trigger can ask for, as an administrator wrote it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from keyrelay.model.fields import Fields
from keyrelay.model.outcome import Rejected
from keyrelay.model.secret import SecretType
from keyrelay.model.settlement import Schedule
from keyrelay.model.tags import Tagged
from keyrelay.model.templates import Fact
from keyrelay.model.trigger import Trigger

TARGET = "action"  # what policies call an action


class Message(Protocol):
    """What a dispatcher is asked to hand over, composed of instruction and trigger.

    Each channel's instructions compose messages for that channel's dispatcher alone.
    """


class Instruction(Protocol):
    """What an action does, in the terms of its channel."""

    @property
    def channel(self) -> str:
        """The name of its action type, by which its dispatcher is found."""

    @property
    def secret(self) -> str:
        """The id of the secret that it needs."""

    @property
    def mentions(self) -> frozenset[Fact]:
        """The facts that its texts ask for."""

    def check(self, *, fifo: bool) -> None:
        """Raise InvalidDefinition if its secret, which may be a FIFO queue's, does
        not go with it."""

    def compose(self, trigger: Trigger, done: Collection[str]) -> Message | Rejected:
        """Fill its texts with the trigger's data.

        Parts named in `done` are left out; a peer is not asked to send nothing. What
        the trigger's data makes unsendable is Rejected with fault `trigger`.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionType:
    """One way to act: its name on the wire, what is written for it, what it needs.

    `parse` reads the action's document, of which `fields` are the members beside
    `type`, or raises InvalidDefinition.
    """

    name: str
    secret: SecretType
    fields: Fields
    parse: Callable[[Mapping[str, object]], Instruction]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """`name` is for people; policies and triggers go by `tagged.id`."""

    tagged: Tagged
    name: str
    active: bool
    locked: bool
    instruction: Instruction
    schedule: Schedule

    @property
    def channel(self) -> str:
        return self.instruction.channel
