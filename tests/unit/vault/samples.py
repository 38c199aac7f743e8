"""Samples: a secret, keys and a clock that the vault's tests share."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from keyrelay.model.policy.policy import Permit
from keyrelay.model.secret import SealedSecret, Secret, SecretValue
from keyrelay.model.tags import Tag
from keyrelay.vault.key import DataKey, Key
from keyrelay.vault.keyring import KeyEncryptionKey, Keyring, WrappedKey, new_keys
from keyrelay.vault.local_key import LocalKey
from keyrelay.vault.vault import Vault

STORE = "a" * 24
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
CANARY = "canary-4b1d-hunter2"
SECRET = Secret(
    id="65a000000000000000000001",
    profile="65a000000000000000000002",
    key="smtp-main",
    type="smtp",
    version=3,
    tags=(Tag("site", "north"), Tag("team", "ops")),
)
DATA_KEY = DataKey(id="65a00000000000000000000a", key=Key(bytes(range(32))))

# Everything a value is bound to, each changed alone.
ELSEWHERE = {
    "another profile": replace(SECRET, profile="65a000000000000000000003"),
    "another id": replace(SECRET, id="65a000000000000000000004"),
    "another key": replace(SECRET, key="smtp-other"),
    "another type": replace(SECRET, type="text"),
    "an older version": replace(SECRET, version=2),
    "a newer version": replace(SECRET, version=4),
    "no tags": replace(SECRET, tags=()),
    "a tag less": replace(SECRET, tags=SECRET.tags[:1]),
    "a tag more": replace(SECRET, tags=(*SECRET.tags, Tag("x", "y"))),
    "another tag": replace(SECRET, tags=(SECRET.tags[0], Tag("team", "dev"))),
    "tag values swapped": replace(
        SECRET, tags=(Tag("site", "ops"), Tag("team", "north"))
    ),
    "a tag's boundary moved": replace(
        SECRET, tags=(Tag("siten", "orth"), Tag("team", "ops"))
    ),
    "a boundary moved": replace(
        SECRET, profile=SECRET.profile + SECRET.id[:1], id=SECRET.id[1:]
    ),
}


@dataclass(slots=True)
class Clock:
    at: datetime = NOON

    def __call__(self) -> datetime:
        return self.at

    def advance(self, by: timedelta) -> None:
        self.at += by


@dataclass(slots=True)
class Provider:
    """Gives the key-encryption key, and counts how often it was `asked`."""

    key: KeyEncryptionKey
    asked: int = 0

    def __call__(self) -> KeyEncryptionKey:
        self.asked += 1
        return self.key


def local_key(byte: int) -> LocalKey:
    return LocalKey(Key(bytes([byte]) * 32))


def ids() -> Iterator[str]:
    return (f"65a0000000000000000000{n:02x}" for n in range(256))


async def wrapped_keys(
    provider: KeyEncryptionKey, at: datetime = NOON
) -> tuple[WrappedKey, ...]:
    numbers = ids()
    return await new_keys(provider, STORE, lambda: at, lambda _: next(numbers))


async def vault(provider: KeyEncryptionKey | None = None) -> Vault:
    """Return a vault of which everything is in order."""
    key = provider or local_key(1)
    keyring = Keyring(
        store_id=STORE,
        wrapped=await wrapped_keys(key),
        provider=lambda: key,
        now=lambda: NOON,
    )
    return Vault(keyring)


def sealed_secret(envelope: bytes, secret: Secret = SECRET) -> SealedSecret:
    return SealedSecret(
        secret=secret,
        envelope=envelope,
        value_length=len(CANARY),
        fifo=False,
        created_at=NOON,
        updated_at=NOON,
    )


def permit(envelope: bytes, secret: Secret = SECRET) -> Permit:
    return Permit(sealed_secret(envelope, secret), policy="65a00000000000000000000b")


def value(text: str = CANARY) -> SecretValue:
    return SecretValue(text)
