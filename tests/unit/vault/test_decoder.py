"""A second decoder, written from the docstrings of `envelope.py` and `vault.py` alone.

It imports the standard library and `cryptography`. While it opens the golden vectors,
those docstrings are enough to read a database without Keyrelay.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Sequence

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keyrelay.vault import envelope, vault
from tests.unit.vault import vectors
from tests.unit.vault.vectors import Vector

COMMITMENT = "keyrelay/envelope/1/commitment"
ENCRYPTION = "keyrelay/envelope/1/encryption"
CONTEXT = "keyrelay/envelope/1/context"
WRAPPING = "keyrelay/local-key/1/wrapping"
DATA_KEY = "keyrelay/data-key/1"
AUTHENTICATION = "keyrelay/authentication/1/"
KEY_FILE = "KEYRELAY-KEY-1-"

each_envelope = pytest.mark.parametrize(
    "vector", [pytest.param(v, id=name) for name, v in vectors.read("envelopes")]
)
each_wrapped_key = pytest.mark.parametrize(
    "vector", [pytest.param(v, id=name) for name, v in vectors.read("wrapped_keys")]
)
each_authenticator = pytest.mark.parametrize(
    "vector", [pytest.param(v, id=name) for name, v in vectors.read("authenticators")]
)


class Refused(Exception):
    """The bytes are no envelope or wrapped key, or not of this key and context."""


def hkdf(key: bytes, salt: bytes, label: str) -> bytes:
    """RFC 5869, whose first block is the 32 bytes that are wanted."""
    pseudorandom_key = hmac.digest(salt, key, "sha256")
    return hmac.digest(pseudorandom_key, label.encode("ascii") + b"\x01", "sha256")


def frame(texts: Sequence[str]) -> bytes:
    framed = b""
    for text in texts:
        encoded = text.encode("utf-8")
        framed += len(encoded).to_bytes(4, "big") + encoded
    return framed


def decrypt(key: bytes, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, associated)
    except InvalidTag:
        raise Refused from None


def digest_of_tags(tags: Sequence[dict[str, str]]) -> str:
    pairs = sorted((tag["key"], tag["value"]) for tag in tags)
    return hashlib.sha256(frame([text for pair in pairs for text in pair])).hexdigest()


def context_of(facts: Vector) -> bytes:
    return frame(
        [
            CONTEXT,
            facts["store_id"],
            facts["profile"],
            facts["id"],
            facts["key"],
            facts["version"],
            facts["type"],
            digest_of_tags(json.loads(facts["tags"])),
        ]
    )


def open_envelope(
    raw: bytes, data_keys: dict[bytes, bytes], context: bytes
) -> tuple[bytes, str]:
    """Return the id of the data key, and the value."""
    if not 110 <= len(raw) <= 8302 or raw[:6] != b"KRLY\x01\x01":
        raise Refused
    key_id, salt, commitment, nonce = raw[6:18], raw[18:50], raw[50:82], raw[82:94]
    data_key = data_keys.get(key_id)
    if data_key is None:
        raise Refused
    if not hmac.compare_digest(hkdf(data_key, salt, COMMITMENT), commitment):
        raise Refused
    key = hkdf(data_key, salt, ENCRYPTION)
    plaintext = decrypt(key, nonce, raw[94:], raw[:94] + context)
    return key_id, plaintext.decode("utf-8")


def read_key_file(text: str) -> bytes:
    return base64.urlsafe_b64decode(text.removeprefix(KEY_FILE) + "=")


def unwrap(wrapped: bytes, key_encryption_key: bytes, context: bytes) -> bytes:
    if len(wrapped) != 61 or wrapped[0] != 1:
        raise Refused
    key = hkdf(key_encryption_key, bytes(32), WRAPPING)
    return decrypt(key, wrapped[1:13], wrapped[13:], context)


def wrapping_context_of(vector: Vector) -> bytes:
    return frame(
        [DATA_KEY, vector["store_id"], vector["data_key_id"], vector["purpose"]]
    )


def data_keys_of(vector: Vector) -> dict[bytes, bytes]:
    return {bytes.fromhex(vector["data_key_id"]): bytes.fromhex(vector["data_key"])}


@each_envelope
def test_every_golden_envelope_opens(vector: Vector) -> None:
    raw = bytes.fromhex(vector["envelope"])

    key_id, value = open_envelope(raw, data_keys_of(vector), context_of(vector))

    assert key_id.hex() == vector["data_key_id"]
    assert value == vector["plaintext"]


@each_envelope
def test_an_envelope_with_any_byte_changed_is_refused(vector: Vector) -> None:
    raw = bytes.fromhex(vector["envelope"])

    for position in range(len(raw)):
        with pytest.raises(Refused):
            open_envelope(
                _changed(raw, position), data_keys_of(vector), context_of(vector)
            )


@each_envelope
@pytest.mark.parametrize(
    "fact", ["store_id", "profile", "id", "key", "version", "type"]
)
def test_an_envelope_is_refused_where_a_fact_of_its_secret_differs(
    vector: Vector, fact: str
) -> None:
    raw = bytes.fromhex(vector["envelope"])
    other = {**vector, fact: vector[fact] + "0"}

    with pytest.raises(Refused):
        open_envelope(raw, data_keys_of(vector), context_of(other))


@each_envelope
def test_an_envelope_is_refused_where_the_tags_differ(vector: Vector) -> None:
    raw = bytes.fromhex(vector["envelope"])
    tags = [*json.loads(vector["tags"]), {"key": "one", "value": "more"}]
    other = {**vector, "tags": json.dumps(tags)}

    with pytest.raises(Refused):
        open_envelope(raw, data_keys_of(vector), context_of(other))


@each_wrapped_key
def test_every_golden_data_key_unwraps(vector: Vector) -> None:
    key = read_key_file(vector["key_file"])
    wrapped = bytes.fromhex(vector["wrapped"])

    data_key = unwrap(wrapped, key, wrapping_context_of(vector))

    assert data_key.hex() == vector["data_key"]


@each_wrapped_key
def test_a_wrapped_key_with_any_byte_changed_is_refused(vector: Vector) -> None:
    key = read_key_file(vector["key_file"])
    wrapped = bytes.fromhex(vector["wrapped"])

    for position in range(len(wrapped)):
        with pytest.raises(Refused):
            unwrap(_changed(wrapped, position), key, wrapping_context_of(vector))


def test_a_value_opens_from_key_file_wrapped_key_and_envelope() -> None:
    wrapped = dict(vectors.read("wrapped_keys"))["of purpose secrets"]
    sealed = dict(vectors.read("envelopes"))["a secret with tags"]

    data_key = unwrap(
        bytes.fromhex(wrapped["wrapped"]),
        read_key_file(wrapped["key_file"]),
        wrapping_context_of(wrapped),
    )
    data_keys = {bytes.fromhex(wrapped["data_key_id"]): data_key}
    _, value = open_envelope(
        bytes.fromhex(sealed["envelope"]), data_keys, context_of(sealed)
    )

    assert value == sealed["plaintext"]


@each_authenticator
def test_every_golden_authenticator_is_computed_alike(vector: Vector) -> None:
    data_key, message = (bytes.fromhex(vector[n]) for n in ("data_key", "message"))

    key = hkdf(data_key, bytes(32), AUTHENTICATION + vector["label"])

    assert hmac.digest(key, message, "sha256").hex() == vector["mac"]


def test_the_docstrings_name_every_label_and_size_of_this_decoder() -> None:
    drawn = f"{envelope.__doc__}{vault.__doc__}"
    labels = (COMMITMENT, ENCRYPTION, CONTEXT, WRAPPING, DATA_KEY, AUTHENTICATION)

    assert {label for label in (*labels, KEY_FILE) if label not in drawn} == set()
    assert {"110", "8302", "61"} <= set(re.findall(r"\d+", drawn))


def _changed(raw: bytes, position: int) -> bytes:
    changed = bytearray(raw)
    changed[position] ^= 0xFF
    return bytes(changed)
