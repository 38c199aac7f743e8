"""Keys: 32 bytes that other keys are derived from, and that are never shown."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from keyrelay.model.ids import is_id

KEY_SIZE = 32

_SHA256 = SHA256()


class Key:
    """Like a SecretValue it cannot be printed, compared, hashed, copied or pickled.

    It encrypts and authenticates nothing itself: each use derives its own key.
    """

    __slots__ = ("_material",)

    def __init__(self, material: bytes) -> None:
        if len(material) != KEY_SIZE:
            raise ValueError(f"a key has {KEY_SIZE} bytes")
        self._material = material

    def derive(self, label: str, salt: bytes | None = None) -> bytes:
        """Return the 32 bytes that HKDF-SHA256 makes for this label and salt."""
        (derived,) = self.derive_each((label,), salt)
        return derived

    def derive_each(self, labels: Iterable[str], salt: bytes | None) -> list[bytes]:
        """Return what `derive` returns for each label; the salt is worked in once."""
        extracted = HKDF.extract(_SHA256, salt, self._material)
        return [
            HKDFExpand(_SHA256, KEY_SIZE, label.encode()).derive(extracted)
            for label in labels
        ]

    def reveal(self) -> bytes:
        """Return the key itself, to be wrapped or written to its file."""
        return self._material

    def __repr__(self) -> str:
        return "Key(…)"

    def __eq__(self, _: object) -> NoReturn:
        raise TypeError("a key is not compared")

    def __hash__(self) -> NoReturn:
        raise TypeError("a key is not hashed")

    def __reduce_ex__(self, _: object) -> NoReturn:
        raise TypeError("a key does not leave the process")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKey:
    """A key that seals values, and the id by which envelopes refer to it."""

    id: str
    key: Key

    def __post_init__(self) -> None:
        # Of any other length it would be cut or padded into an envelope's header,
        # which then refers to no key at all.
        if not is_id(self.id):
            raise ValueError("a data key's id has 24 hexadecimal digits")


def new_key() -> Key:
    return Key(os.urandom(KEY_SIZE))
