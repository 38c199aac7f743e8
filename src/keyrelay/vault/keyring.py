"""Keyring: the data keys, kept wrapped, and unwrapped for minutes when needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from keyrelay.vault.flaw import Flaw, sealed
from keyrelay.vault.framing import frame
from keyrelay.vault.key import DataKey, Key, new_key

_CONTEXT = "keyrelay/data-key/1"


class Purpose(StrEnum):
    """What a data key is for; it is never used for anything else."""

    SECRETS = "secrets"  # sealing values
    INTEGRITY = "integrity"  # authenticating what is stored in clear


class KeyEncryptionKey(Protocol):
    @property
    def id(self) -> str:
        """Its public name, kept beside what it wrapped."""

    async def wrap(self, data_key: Key, context: bytes) -> bytes:
        """Encrypt the data key, bound to the context. Raises Unavailable."""

    async def unwrap(self, wrapped: bytes, context: bytes) -> Key:
        """Return what `wrap` was given with that context. Raises Unavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedKey:
    """A data key as it is kept; `provider_key` is the id of what wrapped it."""

    id: str
    purpose: Purpose
    provider_key: str
    wrapped: bytes
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _UnwrappedKeys:
    data_key: DataKey
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """The newest key of a purpose is used for what is new, any opens what is old.

    `provider` is asked for the key-encryption key whenever a data key is unwrapped,
    so that a vault which was sealed opens once the right one is in place.
    """

    store_id: str
    wrapped: Sequence[WrappedKey]
    provider: Callable[[], KeyEncryptionKey] = field(repr=False)
    now: Callable[[], datetime]
    lifetime: timedelta = timedelta(minutes=5)
    _unwrapped: dict[str, _UnwrappedKeys] = field(default_factory=dict, init=False)

    async def newest(self, purpose: Purpose) -> DataKey:
        """Return the key to use for what is new. Raises Unavailable while sealed."""
        keys = [key for key in self.wrapped if key.purpose is purpose]
        if not keys:
            raise sealed(
                Flaw.DATA_KEY_MISSING,
                f"its database holds no {purpose} key; run `keyrelay init` "
                "if this vault is new, or else restore the database from a backup",
            )
        return await self._open(max(keys, key=lambda key: (key.created_at, key.id)))

    async def find(self, id_: str, purpose: Purpose) -> DataKey | None:
        """Return that key, None if there is none. Raises Unavailable while sealed."""
        for wrapped in self.wrapped:
            if wrapped.id == id_ and wrapped.purpose is purpose:
                return await self._open(wrapped)
        return None

    async def _open(self, wrapped: WrappedKey) -> DataKey:
        self._forget()
        known = self._unwrapped.get(wrapped.id)
        if known is not None:
            return known.data_key
        key = await self._unwrap(wrapped)
        opened = _UnwrappedKeys(data_key=DataKey(id=wrapped.id, key=key), at=self.now())
        self._unwrapped[wrapped.id] = opened
        return opened.data_key

    def _forget(self) -> None:
        now = self.now()
        for id_, known in list(self._unwrapped.items()):
            # A clock that was set back must not keep a key for longer.
            if not known.at <= now < known.at + self.lifetime:
                del self._unwrapped[id_]

    async def _unwrap(self, wrapped: WrappedKey) -> Key:
        provider = self.provider()
        if provider.id != wrapped.provider_key:
            raise sealed(
                Flaw.WRONG_KEY,
                f"its keys are wrapped by key {wrapped.provider_key!r}, not by the "
                f"one given, {provider.id!r}; put that one in its place",
            )
        context = _context(self.store_id, wrapped.id, wrapped.purpose)
        return await provider.unwrap(wrapped.wrapped, context)


async def new_keys(
    provider: KeyEncryptionKey,
    store_id: str,
    now: Callable[[], datetime],
    new_id: Callable[[datetime], str],
) -> tuple[WrappedKey, ...]:
    """Return the first keys of a new store, one for each purpose."""
    return tuple(
        [
            await _new_key(provider, store_id, purpose, now(), new_id)
            for purpose in Purpose
        ]
    )


async def _new_key(
    provider: KeyEncryptionKey,
    store_id: str,
    purpose: Purpose,
    at: datetime,
    new_id: Callable[[datetime], str],
) -> WrappedKey:
    id_ = new_id(at)
    return WrappedKey(
        id=id_,
        purpose=purpose,
        provider_key=provider.id,
        wrapped=await provider.wrap(new_key(), _context(store_id, id_, purpose)),
        created_at=at,
    )


def _context(store_id: str, id_: str, purpose: Purpose) -> bytes:
    return frame(_CONTEXT, store_id, id_, purpose)
