"""Keyring: the data keys, stored wrapped and held unwrapped for a few minutes.

A data key is 32 random bytes. `KeyEncryptionKey.wrap` binds it to its place by
Frame("keyrelay/data-key/1", store id, data key id, purpose); `envelope.py` defines
Frame, and `local_key.py` draws what a wrapped key looks like.
"""

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
    """What wraps data keys; a provider makes one from where the operator keeps it."""

    @property
    def id(self) -> str:
        """Return its public fingerprint, which is stored beside what it wrapped."""

    async def wrap(self, data_key: Key, context: bytes) -> bytes:
        """Encrypt the data key and authenticate the context. Raises Unavailable."""

    async def unwrap(self, wrapped: bytes, context: bytes) -> Key:
        """Return the data key that was wrapped with this context. Raises Unavailable.

        A key that was altered, or wrapped with another context, raises Unavailable
        as well: without its data keys the whole vault is sealed.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedKey:
    """A data key as it is stored; `provider_key` is KeyEncryptionKey.id of its wrapper.

    The database keeps one row for each.
    """

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
    """The newest key of a purpose seals; every key of that purpose opens.

    `provider` is called whenever a data key is unwrapped, so that a sealed vault opens
    once the right key-encryption key is in place. An unwrapped key is forgotten after
    `lifetime`.
    """

    store_id: str
    wrapped: Sequence[WrappedKey]
    provider: Callable[[], KeyEncryptionKey] = field(repr=False)
    now: Callable[[], datetime]
    lifetime: timedelta = timedelta(minutes=5)
    _unwrapped: dict[str, _UnwrappedKeys] = field(default_factory=dict, init=False)

    def check(self) -> None:
        """Return if the key-encryption key is in place; what is held does not count.

        Raises Unavailable otherwise.
        """
        provider = self.provider()
        for purpose in Purpose:
            self._check(provider, self._newest(purpose))

    async def newest(self, purpose: Purpose) -> DataKey:
        """Return the key that seals new values. Raises Unavailable while sealed."""
        return await self._open(self._newest(purpose))

    async def find(self, id_: str, purpose: Purpose) -> DataKey | None:
        """Return the key of that id; None, the store has none for this purpose.

        Raises Unavailable while the vault is sealed.
        """
        for wrapped in self.wrapped:
            if wrapped.id == id_ and wrapped.purpose is purpose:
                return await self._open(wrapped)
        return None

    def _newest(self, purpose: Purpose) -> WrappedKey:
        keys = [key for key in self.wrapped if key.purpose is purpose]
        if not keys:
            raise sealed(
                Flaw.DATA_KEY_MISSING,
                f"its database holds no {purpose} key; run `keyrelay init` "
                "if this vault is new, or else restore the database from a backup",
            )
        return max(keys, key=lambda key: (key.created_at, key.id))

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
        self._check(provider, wrapped)
        context = _context(self.store_id, wrapped.id, wrapped.purpose)
        return await provider.unwrap(wrapped.wrapped, context)

    def _check(self, provider: KeyEncryptionKey, wrapped: WrappedKey) -> None:
        if provider.id != wrapped.provider_key:
            raise sealed(
                Flaw.WRONG_KEY,
                f"its keys are wrapped by key {wrapped.provider_key!r}, not by the "
                f"one given, {provider.id!r}; put that one in its place",
            )


async def new_keys(
    provider: KeyEncryptionKey,
    store_id: str,
    now: Callable[[], datetime],
    new_id: Callable[[datetime], str],
) -> tuple[WrappedKey, ...]:
    """Return the first keys of a new store, one for each purpose.

    Raises Unavailable if the provider cannot wrap them.
    """
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
