"""Local key: a key-encryption key that this process holds itself.

As text, which is one line a person can keep in a safe:

    KEYRELAY-KEY-1-<43 characters of base64url, 32 bytes>

What it wraps:

      at  size
       0     1   version       1
       1    12   nonce         random; one key wraps a few data keys in its life
      13    48   ciphertext    AES-256-GCM of the data key's 32 bytes, and its tag
"""

import base64
import os
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keyrelay.vault.flaw import Flaw, sealed
from keyrelay.vault.key import KEY_SIZE, Key

_PREFIX = "KEYRELAY-KEY-1-"
_TEXT = re.compile(re.escape(_PREFIX) + r"([A-Za-z0-9_-]{43})")
_VERSION = b"\x01"
_NONCE_SIZE, _TAG_SIZE = 12, 16
_WRAPPED_SIZE = 1 + _NONCE_SIZE + KEY_SIZE + _TAG_SIZE
_IDENTITY = "keyrelay/local-key/1/identity"
_WRAPPING = "keyrelay/local-key/1/wrapping"


@dataclass(frozen=True, slots=True)
class LocalKey:
    key: Key

    @property
    def id(self) -> str:
        """A public fingerprint, from which nothing about the key can be learned."""
        return self.key.derive(_IDENTITY)[:8].hex()

    async def wrap(self, data_key: Key, context: bytes) -> bytes:
        nonce = os.urandom(_NONCE_SIZE)
        box = self._cipher().encrypt(nonce, data_key.reveal(), context)
        return _VERSION + nonce + box

    async def unwrap(self, wrapped: bytes, context: bytes) -> Key:
        """Return the data key wrapped for this context, or raise Unavailable."""
        if len(wrapped) != _WRAPPED_SIZE or wrapped[:1] != _VERSION:
            raise sealed(
                Flaw.UNSUPPORTED_FORMAT,
                "its wrapped data key is not of this version's making; "
                "run the version of Keyrelay that wrote it, or restore a backup",
            )
        nonce, box = wrapped[1 : 1 + _NONCE_SIZE], wrapped[1 + _NONCE_SIZE :]
        try:
            return Key(self._cipher().decrypt(nonce, box, context))
        except InvalidTag:
            raise sealed(
                Flaw.TAMPERED,
                "its wrapped data key was altered; restore the database from a backup",
            ) from None

    def _cipher(self) -> AESGCM:
        return AESGCM(self.key.derive(_WRAPPING))


def key_text(key: Key) -> str:
    return _PREFIX + base64.urlsafe_b64encode(key.reveal()).decode().rstrip("=")


def parse_key(text: str) -> Key | None:
    """Read a key's one spelling; None for all else, so that no error quotes it."""
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    key = Key(base64.urlsafe_b64decode(match[1] + "="))
    # The last character has two bits to spare: three other spellings decode alike.
    return key if key_text(key) == text else None
