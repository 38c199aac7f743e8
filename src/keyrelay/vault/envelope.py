"""Envelope: one sealed value, which opens only as the secret it was sealed as.

      at  size
       0     4   magic         "KRLY", which is 4b 52 4c 59
       4     1   version       1
       5     1   suite         1: HKDF-SHA256, AES-256-GCM with a tag of 16 bytes
       6    12   data key id   its 24 hexadecimal digits as bytes
      18    32   salt          random
      50    32   commitment    HKDF(data key, salt, "keyrelay/envelope/1/commitment")
      82    12   nonce         random
      94   n+16  ciphertext    AES-256-GCM of the value, n bytes of UTF-8, and its tag

An envelope has 110 to 8302 bytes, as n is 0 to 8192. Of any other length, magic,
version or suite, it is refused before any cryptography.

HKDF(key, salt, label) is RFC 5869 with SHA-256: `key` is the input keying material,
`label` in ASCII the info, and 32 bytes are taken.

Frame(texts) is the texts as UTF-8, each preceded by its length in bytes as an
unsigned integer of 4 bytes, most significant byte first. Nothing stands between.

To open, with the data key of that id, 32 bytes:

 1. Compare the commitment, in constant time. Another one: it is the wrong data key.
 2. The AES key is HKDF(data key, salt, "keyrelay/envelope/1/encryption").
 3. The associated data are bytes 0 to 93 of the envelope, and after them

        Frame("keyrelay/envelope/1/context", store id, profile id, secret id,
              secret key, version, type, digest of the tags)

    with `secret key` the secret's name in its profile; the version in decimal digits
    without leading zeros; the type as it is written, such as `smtp`; and the digest
    the SHA-256, as 64 hexadecimal digits, of Frame(key, value, key, value, …) over the
    tags, sorted by key, then by value, in the order of Unicode code points. All
    hexadecimal digits are lower case.
 4. Decrypt. If the tag does not match, the envelope or what it is bound to was
    altered: it was moved to another row, or its tags, type or version were changed.
 5. The plaintext is the value, in valid UTF-8.

The plaintext of an analysis' token is sealed as a secret of the type `analysis-token`,
which no secret has: its id is the token's, its key the id of the analysis, its version
1, and it has no tags.

A data key is kept wrapped by the key-encryption key of a provider. What the local
key wraps (`local_key.py`; key file and environment) has 61 bytes: version 1 in one
byte, a random nonce of 12, and 48 of AES-256-GCM ciphertext and tag of the data key.
The AES key is HKDF(key-encryption key, no salt, "keyrelay/local-key/1/wrapping"), and
the associated data are

        Frame("keyrelay/data-key/1", store id, data key id, purpose)

with the purpose `secrets` for data keys that seal values, and `integrity` for those
that authenticate what is stored in clear (`vault.py`). "No salt" is RFC 5869's 32
zero bytes. The key file holds `KEYRELAY-KEY-1-` and the 32 bytes of the key as 43
characters of base64url (RFC 4648 section 5) without padding.

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
    """Return an envelope that `unseal` opens for the same store and secret only.

    Raises ValueError, which does not quote it, for a value that is not text of at
    most LARGEST_VALUE bytes in UTF-8.
    """
    plaintext = _encoded(value)
    # Raised here, outside `except`: the encoder's error holds the value.
    if plaintext is None:
        raise ValueError(f"a value to seal is text of at most {LARGEST_VALUE} bytes")
    salt, nonce = os.urandom(_SALT_SIZE), os.urandom(_NONCE_SIZE)
    return _seal(key, _context(store_id, secret), plaintext, salt, nonce)


def parse(raw: bytes) -> Envelope | Flaw:
    """Take an envelope apart, or return Flaw.UNSUPPORTED_FORMAT.

    Nothing is verified yet. An envelope has one encoding: `header + ciphertext` are
    the bytes given.
    """
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
    """Return the value, if it was sealed with this key for this store and secret.

    Otherwise return COMMITMENT_MISMATCH if it was sealed with another key, TAMPERED
    if the envelope was altered or belongs to another store or secret, and
    UNSUPPORTED_FORMAT if the plaintext is not UTF-8.
    """
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
    """Seal with a given salt and nonce, which only test vectors choose."""
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
    """Return a digest that does not depend on the order of the tags."""
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
    except UnicodeDecodeError:  # `seal` never seals this: another program did
        return Flaw.UNSUPPORTED_FORMAT
