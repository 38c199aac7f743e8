"""Service calls: what a script asks a channel to send at once, with a credential."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from keyrelay.model.action import Instruction
from keyrelay.model.data_point import DataPoint
from keyrelay.model.secret import SecretValue


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCall:
    """What was asked, read and checked.

    The texts of the `instruction` are fixed: it fills none of them with `data`. Its
    secret is no secret's id, as the `credential` came with the call.
    """

    credential: SecretValue
    instruction: Instruction
    data: tuple[DataPoint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceType:
    """How a channel is asked: `credential` names the field with that of the caller.

    `parse` reads the document, or raises InvalidDefinition, which quotes no value.
    """

    credential: str
    parse: Callable[[Mapping[str, object]], ServiceCall]
