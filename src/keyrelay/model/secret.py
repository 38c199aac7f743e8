"""Secrets: what is known of one while it is sealed, and the opened value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from typing import NoReturn

from keyrelay.model.fields import Fields
from keyrelay.model.tags import Tagged, Tags

RESOURCE = "secrets"  # what policies call a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """The six facts that a sealed value is bound to: it opens under no others."""

    id: str
    profile: str
    key: str
    type: str
    version: int
    tags: Tags

    @property
    def tagged(self) -> Tagged:
        return Tagged(kind=RESOURCE, profile=self.profile, id=self.id, tags=self.tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedSecret:
    """A secret as it is stored.

    `value_length` is the value's in code points. `fifo` is a hint for people that an
    SQS secret names a FIFO queue.
    """

    secret: Secret
    envelope: bytes
    value_length: int
    fifo: bool
    created_at: datetime
    updated_at: datetime


class SecretValue:
    """Plaintext that cannot be printed, hashed, copied, pickled or compared by `==`.

    `reveal` and `is_same_text` are the only access, by names that one can search for.
    """

    __slots__ = ("_plaintext",)

    def __init__(self, plaintext: str) -> None:
        self._plaintext = plaintext

    def reveal(self) -> str:
        """Return the plaintext. Every call site of this is a review point."""
        return self._plaintext

    def is_same_text(self, text: str) -> bool:
        """Tell whether the plaintext is this, in a time that does not say how nearly.

        The answer tells of a guess whether it is right: it is for what has the value.
        """
        ours, theirs = (
            each.encode(errors="surrogatepass") for each in (self._plaintext, text)
        )
        return compare_digest(ours, theirs)

    def __repr__(self) -> str:
        return "SecretValue(…)"

    def __format__(self, _: str) -> str:
        return repr(self)

    def __eq__(self, _: object) -> NoReturn:
        # A class with __eq__ and without __hash__ is not hashable either.
        raise TypeError("a secret value is not compared")

    def __getstate__(self) -> NoReturn:
        # copy and pickle both call it.
        raise TypeError("a secret value does not leave the process")


def _accept(_: Mapping[str, object]) -> None:
    """Accept any members."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretType:
    """One kind of secret: its name on the wire and what its value holds.

    The value is a JSON object with these `fields`, or one text where there are none.
    `check` raises InvalidDefinition for a value that no dispatcher could use, and
    tells whether it is the key to a FIFO queue. `check_some` raises it for some of the
    members, so that a person is told before all are asked for.
    """

    name: str
    fields: Fields
    check: Callable[[SecretValue], bool]
    check_some: Callable[[Mapping[str, object]], None] = _accept


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSecret:
    """A secret with its value: what the vault returns for a permit, for one attempt."""

    secret: Secret
    value: SecretValue
