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
    """32 bytes that cannot be printed, compared, hashed, copied or pickled.

    The key itself encrypts and authenticates nothing: each use derives a key of its
    own with HKDF-SHA256 (RFC 5869). Raises ValueError for another length.
    """

    __slots__ = ("_material",)

    def __init__(self, material: bytes) -> None:
        if len(material) != KEY_SIZE:
            raise ValueError(f"a key has {KEY_SIZE} bytes")
        self._material = material

    def derive(self, label: str, salt: bytes | None = None) -> bytes:
        """Return 32 bytes of HKDF-SHA256: the label is RFC 5869's info, in UTF-8.

        Without a salt, HKDF takes 32 zero bytes.
        """
        (derived,) = self.derive_each((label,), salt)
        return derived

    def derive_each(self, labels: Iterable[str], salt: bytes | None) -> list[bytes]:
        """Return what `derive` returns for each label, by a single HKDF-Extract."""
        extracted = HKDF.extract(_SHA256, salt, self._material)
        return [
            HKDFExpand(_SHA256, KEY_SIZE, label.encode()).derive(extracted)
            for label in labels
        ]

    def reveal(self) -> bytes:
        """Return the 32 bytes themselves, to be wrapped or written to the key file.

        Every call site of this is a review point.
        """
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
    """A key of the keyring, and the id by which envelopes refer to it.

    Raises ValueError unless the id has 24 lower-case hexadecimal digits.
    """

    id: str
    key: Key

    def __post_init__(self) -> None:
        # An id of another length would be cut or padded in an envelope's header,
        # and that envelope would refer to no key.
        if not is_id(self.id):
            raise ValueError("a data key's id has 24 hexadecimal digits")


def new_key() -> Key:
    """Return a key of the operating system's randomness."""
    return Key(os.urandom(KEY_SIZE))
