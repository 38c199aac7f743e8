"""Envelope: one sealed value, which opens only as the secret it was sealed as.

      at  size
       0     4   magic         "KRLY"
       4     1   version       1
       5     1   suite         1, which is HKDF-SHA256 with AES-256-GCM
       6    12   data key id   24 hexadecimal digits as bytes
      18    32   salt          random
      50    32   commitment    HKDF(data key, salt, "…/commitment")
      82    12   nonce         random
      94   n+16  ciphertext    AES-256-GCM of n <= 8192 bytes of UTF-8, and its tag,
                               under HKDF(data key, salt, "…/encryption")

Authenticated, beside the plaintext: the 94 bytes before it, and, each preceded by
its length, the store's id and the secret's profile, id, key, version, type and a
digest of its tags. Sealed bytes moved to another row, or a row whose tags, type
or version were changed, do not open.

Nonces: a 32-byte random salt makes a key that encrypts once, so any nonce would be
safe; a random one means that salt and nonce would both have to repeat.

Commitment: AES-GCM alone lets one ciphertext open under two keys. It is compared
before anything is decrypted, and tells the wrong data key from tampering.
"""

import hashlib
import hmac
import os
import struct
from dataclasses import dataclass
from itertools import chain

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keyrelay.model.secret import Secret, SecretValue
from keyrelay.model.tags import Tags
from keyrelay.vault.flaw import Flaw
from keyrelay.vault.framing import frame
from keyrelay.vault.key import DataKey

LARGEST_VALUE = 8 * 1024  # bytes of UTF-8

_HEADER = struct.Struct(">4sBB12s32s32s12s")
_KIND = (b"KRLY", 1, 1)  # magic, version, suite
_SALT_SIZE, _NONCE_SIZE, _TAG_SIZE = 32, 12, 16
_LARGEST = _HEADER.size + LARGEST_VALUE + _TAG_SIZE
_LABELS = ("keyrelay/envelope/1/commitment", "keyrelay/envelope/1/encryption")
_CONTEXT = "keyrelay/envelope/1/context"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """An envelope taken apart; nothing in it has been verified."""

    data_key: str
    salt: bytes
    commitment: bytes
    nonce: bytes
    header: bytes
    ciphertext: bytes


def seal(key: DataKey, store_id: str, secret: Secret, value: SecretValue) -> bytes:
    """Return an envelope that `unseal` opens for the same store and secret only."""
    plaintext = _encoded(value)
    # Raised here, outside `except`: the encoder's error holds the value.
    if plaintext is None:
        raise ValueError(f"a value to seal is text of at most {LARGEST_VALUE} bytes")
    salt, nonce = os.urandom(_SALT_SIZE), os.urandom(_NONCE_SIZE)
    return _seal(key, _context(store_id, secret), plaintext, salt, nonce)


def parse(raw: bytes) -> Envelope | Flaw:
    """Take an envelope apart, in which each byte has one place and one meaning."""
    if not _HEADER.size + _TAG_SIZE <= len(raw) <= _LARGEST:
        return Flaw.UNSUPPORTED_FORMAT
    header, ciphertext = raw[: _HEADER.size], raw[_HEADER.size :]
    magic, version, suite, key_id, salt, commitment, nonce = _HEADER.unpack(header)
    if (magic, version, suite) != _KIND:
        return Flaw.UNSUPPORTED_FORMAT
    return Envelope(
        data_key=key_id.hex(),
        salt=salt,
        commitment=commitment,
        nonce=nonce,
        header=header,
        ciphertext=ciphertext,
    )


def unseal(
    key: DataKey, store_id: str, secret: Secret, envelope: Envelope
) -> SecretValue | Flaw:
    """Return the value, if it was sealed with this key for this store and secret."""
    commitment, encryption = key.key.derive_each(_LABELS, envelope.salt)
    if not hmac.compare_digest(commitment, envelope.commitment):
        return Flaw.COMMITMENT_MISMATCH
    cipher = AESGCM(encryption)
    context = envelope.header + _context(store_id, secret)
    try:
        plaintext = cipher.decrypt(envelope.nonce, envelope.ciphertext, context)
    except InvalidTag:
        return Flaw.TAMPERED
    return _decoded(plaintext)


def _seal(
    key: DataKey, context: bytes, plaintext: bytes, salt: bytes, nonce: bytes
) -> bytes:
    """Seal with a given salt and nonce; apart from `seal` only for test vectors."""
    commitment, encryption = key.key.derive_each(_LABELS, salt)
    header = _HEADER.pack(*_KIND, bytes.fromhex(key.id), salt, commitment, nonce)
    cipher = AESGCM(encryption)
    return header + cipher.encrypt(nonce, plaintext, header + context)


def _context(store_id: str, secret: Secret) -> bytes:
    return frame(
        _CONTEXT,
        store_id,
        secret.profile,
        secret.id,
        secret.key,
        str(secret.version),
        secret.type,
        _digest(secret.tags),
    )


def _digest(tags: Tags) -> str:
    """Return the same for the same tags in any order, and for no others."""
    pairs = sorted([(tag.key, tag.value) for tag in tags])
    return hashlib.sha256(frame(*chain.from_iterable(pairs))).hexdigest()


def _encoded(value: SecretValue) -> bytes | None:
    try:
        plaintext = value.reveal().encode()
    except UnicodeEncodeError:  # a lone surrogate
        return None
    return plaintext if len(plaintext) <= LARGEST_VALUE else None


def _decoded(plaintext: bytes) -> SecretValue | Flaw:
    try:
        return SecretValue(plaintext.decode())
    except UnicodeDecodeError:  # sealed by something that is not this file
        return Flaw.UNSUPPORTED_FORMAT
