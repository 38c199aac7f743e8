"""Local key: a key-encryption key that this process holds itself.

As text, which is one line a person can keep in a safe:

    KEYRELAY-KEY-1-<43 characters of base64url, 32 bytes>

A wrapped data key has 61 bytes:

      at  size
       0     1   version       1
       1    12   nonce         random; one key wraps only a few data keys
      13    48   ciphertext    AES-256-GCM of the data key's 32 bytes, and its tag

The AES key is HKDF-SHA256 (RFC 5869) of this key, without a salt, with the info
"keyrelay/local-key/1/wrapping", 32 bytes. The associated data is the context, which
`keyring.py` makes. This key's public id is the first 8 bytes of HKDF with the info
"keyrelay/local-key/1/identity", as 16 hexadecimal digits.
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
# A byte order mark, too, as UTF-8 read byte by byte.
_AROUND = " \t\r\n\v\f\u00c2\u00a0\ufeff\u00ef\u00bb\u00bf"
_VERSION = b"\x01"
_NONCE_SIZE, _TAG_SIZE = 12, 16
_WRAPPED_SIZE = 1 + _NONCE_SIZE + KEY_SIZE + _TAG_SIZE
_IDENTITY = "keyrelay/local-key/1/identity"
_WRAPPING = "keyrelay/local-key/1/wrapping"


@dataclass(frozen=True, slots=True)
class LocalKey:
    """keyring.KeyEncryptionKey for a key in this process: file and environment."""

    key: Key

    @property
    def id(self) -> str:
        """Return 16 hexadecimal digits, which reveal nothing of the key."""
        return self.key.derive(_IDENTITY)[:8].hex()

    async def wrap(self, data_key: Key, context: bytes) -> bytes:
        """Return the 61 bytes that the module's docstring draws."""
        nonce = os.urandom(_NONCE_SIZE)
        box = self._cipher().encrypt(nonce, data_key.reveal(), context)
        return _VERSION + nonce + box

    async def unwrap(self, wrapped: bytes, context: bytes) -> Key:
        """Return the data key wrapped for this context, or raise Unavailable."""
        if len(wrapped) != _WRAPPED_SIZE or wrapped[:1] != _VERSION:
            raise sealed(
                Flaw.UNSUPPORTED_FORMAT,
                "its wrapped data key has a format that this version does not know; "
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
    """Return the line of a key file, without a line end."""
    return _PREFIX + base64.urlsafe_b64encode(key.reveal()).decode().rstrip("=")


def parse_key(text: str) -> Key | None:
    """Return the key that `key_text` writes so; None for any other text.

    Blanks, line ends and a byte order mark around it, which editors add, do not count.

    None and no exception, whose traceback could quote the text.
    """
    text = text.strip(_AROUND)
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    key = Key(base64.urlsafe_b64decode(match[1] + "="))
    # The last character has two unused bits: four texts decode to one key.
    return key if key_text(key) == text else None
