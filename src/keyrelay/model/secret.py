"""Secrets: what is known about one without opening it, and the opened value."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NoReturn

from keyrelay.model.tags import Tagged, Tags

RESOURCE = "secrets"  # what policies call a secret


class SecretType(StrEnum):
    TEXT = "text"
    SMTP = "smtp"
    AWS_SQS = "aws-sqs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """All that a sealed value is bound to: it opens under exactly these six facts."""

    id: str
    profile: str
    key: str
    type: SecretType
    version: int
    tags: Tags

    @property
    def tagged(self) -> Tagged:
        return Tagged(kind=RESOURCE, profile=self.profile, id=self.id, tags=self.tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedSecret:
    """A secret as it is kept. `value_length` counts code points, `fifo` is a hint."""

    secret: Secret
    envelope: bytes
    value_length: int
    fifo: bool
    created_at: datetime
    updated_at: datetime


class SecretValue:
    """Plaintext that keeps its mouth shut.

    It cannot be printed, compared, hashed, iterated, copied or pickled; `reveal`
    is the only way in, and a word to grep for.
    """

    __slots__ = ("_plaintext",)

    def __init__(self, plaintext: str) -> None:
        self._plaintext = plaintext

    def reveal(self) -> str:
        """Return the plaintext. Every call site of this is a review point."""
        return self._plaintext

    def __repr__(self) -> str:
        return "SecretValue(…)"

    def __format__(self, _: str) -> str:
        return repr(self)

    def __eq__(self, _: object) -> NoReturn:
        # This alone makes it unhashable, too.
        raise TypeError("a secret value is not compared")

    def __getstate__(self) -> NoReturn:
        # What copies and what pickles both ask for it.
        raise TypeError("a secret value does not leave the process")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSecret:
    """What the vault hands out for a permit, to be held for one attempt."""

    secret: Secret
    value: SecretValue
