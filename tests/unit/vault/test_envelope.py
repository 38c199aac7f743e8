from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model import credentials
from keyrelay.model.secret import Secret, SecretValue
from keyrelay.model.tags import Tag
from keyrelay.vault.envelope import (
    LARGEST_VALUE,
    Envelope,
    _context,
    _seal,
    parse,
    seal,
    unseal,
)
from keyrelay.vault.flaw import Flaw
from keyrelay.vault.key import DataKey, Key
from tests.unit.vault import vectors
from tests.unit.vault.exposure import everything_said
from tests.unit.vault.samples import (
    CANARY,
    DATA_KEY,
    ELSEWHERE,
    SECRET,
    STORE,
    value,
)

SEALED = seal(DATA_KEY, STORE, SECRET, value())
HEADER = 94
PARTS = {
    "magic": slice(0, 4),
    "version": slice(4, 5),
    "suite": slice(5, 6),
    "data key id": slice(6, 18),
    "salt": slice(18, 50),
    "commitment": slice(50, 82),
    "nonce": slice(82, 94),
    "ciphertext": slice(94, None),
}
TEXTS = st.text(st.characters(codec="utf-8"), max_size=64)
TAGS = st.lists(st.builds(Tag, TEXTS, TEXTS), max_size=5).map(tuple)
SECRETS = st.builds(
    Secret,
    id=TEXTS,
    profile=TEXTS,
    key=TEXTS,
    type=st.sampled_from(["text", "smtp", "aws-sqs"]),
    version=st.integers(min_value=1),
    tags=TAGS,
)


def opened(
    raw: bytes, key: DataKey = DATA_KEY, store: str = STORE, secret: Secret = SECRET
) -> str | Flaw:
    envelope = parse(raw)
    if isinstance(envelope, Flaw):
        return envelope
    result = unseal(key, store, secret, envelope)
    return result.reveal() if isinstance(result, SecretValue) else result


@given(plaintext=TEXTS, store=TEXTS, secret=SECRETS, material=st.binary(min_size=32))
def test_a_sealed_value_unseals(
    plaintext: str, store: str, secret: Secret, material: bytes
) -> None:
    key = DataKey(id="0" * 24, key=Key(material[:32]))

    sealed = seal(key, store, secret, SecretValue(plaintext))

    assert opened(sealed, key, store, secret) == plaintext


@given(secret=SECRETS, other=SECRETS)
def test_it_opens_as_another_secret_only_if_that_is_the_same(
    secret: Secret, other: Secret
) -> None:
    same = replace(other, tags=()) == replace(secret, tags=()) and sorted(
        (tag.key, tag.value) for tag in other.tags
    ) == sorted((tag.key, tag.value) for tag in secret.tags)

    sealed = seal(DATA_KEY, STORE, secret, value())

    assert opened(sealed, secret=other) == (CANARY if same else Flaw.TAMPERED)


@pytest.mark.parametrize("bit", [1 << number for number in range(8)])
def test_no_bit_may_change(bit: int) -> None:
    for position in range(len(SEALED)):
        forged = bytearray(SEALED)
        forged[position] ^= bit

        assert isinstance(opened(bytes(forged)), Flaw), position


def test_no_byte_may_be_missing_at_either_end() -> None:
    for length in range(len(SEALED)):
        assert isinstance(opened(SEALED[:length]), Flaw), length
        assert isinstance(opened(SEALED[len(SEALED) - length :]), Flaw), length


def test_no_byte_may_be_added_at_either_end() -> None:
    for byte in range(256):
        assert opened(SEALED + bytes([byte])) == Flaw.TAMPERED
        assert opened(bytes([byte]) + SEALED) == Flaw.UNSUPPORTED_FORMAT


@given(st.binary(max_size=256))
def test_no_other_bytes_open(raw: bytes) -> None:
    assert isinstance(opened(raw), Flaw)


@pytest.mark.parametrize(
    ("part", "flaw"),
    [
        ("magic", Flaw.UNSUPPORTED_FORMAT),
        ("version", Flaw.UNSUPPORTED_FORMAT),
        ("suite", Flaw.UNSUPPORTED_FORMAT),
        ("salt", Flaw.COMMITMENT_MISMATCH),
        ("commitment", Flaw.COMMITMENT_MISMATCH),
        ("data key id", Flaw.TAMPERED),  # under the same key; a keyring has none
        ("nonce", Flaw.TAMPERED),
        ("ciphertext", Flaw.TAMPERED),
    ],
)
def test_each_part_fails_in_its_own_way(part: str, flaw: Flaw) -> None:
    forged = bytearray(SEALED)
    forged[PARTS[part]] = bytes(byte ^ 0xFF for byte in SEALED[PARTS[part]])

    assert opened(bytes(forged)) == flaw


@pytest.mark.parametrize("secret", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_it_opens_only_as_the_secret_it_was_sealed_as(secret: Secret) -> None:
    assert opened(SEALED, secret=secret) == Flaw.TAMPERED


def test_it_opens_only_in_the_store_it_was_sealed_in() -> None:
    assert opened(SEALED, store="b" * 24) == Flaw.TAMPERED


def test_the_order_of_tags_has_no_meaning() -> None:
    turned = replace(SECRET, tags=SECRET.tags[::-1])

    assert opened(SEALED, secret=turned) == CANARY


def test_another_key_of_the_same_id_breaks_the_commitment() -> None:
    other = DataKey(id=DATA_KEY.id, key=Key(bytes(32)))

    assert opened(SEALED, other) == Flaw.COMMITMENT_MISMATCH


def test_the_commitment_is_compared_before_anything_is_decrypted() -> None:
    other = DataKey(id=DATA_KEY.id, key=Key(bytes(32)))
    sealed = _seal(other, _context(STORE, SECRET), b"x", bytes(32), bytes(12))
    mixed = bytearray(sealed)
    mixed[PARTS["commitment"]] = SEALED[PARTS["commitment"]]

    assert opened(bytes(mixed), other) == Flaw.COMMITMENT_MISMATCH


def test_two_seals_of_one_value_share_nothing_but_the_kind_and_the_key() -> None:
    seals = [seal(DATA_KEY, STORE, SECRET, value()) for _ in range(8)]

    for name in ("salt", "commitment", "nonce", "ciphertext"):
        assert len({sealed[PARTS[name]] for sealed in seals}) == len(seals)
    for one, next_ in pairwise(seals):
        assert _equal_bytes(one[HEADER:], next_[HEADER:]) < len(CANARY) / 2


def _equal_bytes(one: Iterable[int], other: Iterable[int]) -> int:
    return sum(a == b for a, b in zip(one, other, strict=True))


def test_the_largest_value_credentials_allow_is_the_largest_an_envelope_holds() -> None:
    assert credentials.LARGEST_VALUE == LARGEST_VALUE


def test_a_value_of_the_largest_size_opens() -> None:
    text = "x" * LARGEST_VALUE

    assert opened(seal(DATA_KEY, STORE, SECRET, value(text))) == text


@pytest.mark.parametrize(
    "text",
    [
        CANARY + "x" * LARGEST_VALUE,
        CANARY + "é" * (LARGEST_VALUE // 2),
        CANARY + "\ud800",
    ],
    ids=["too many characters", "too many bytes", "a lone surrogate"],
)
def test_what_is_no_value_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="at most 8192 bytes") as refusal:
        seal(DATA_KEY, STORE, SECRET, SecretValue(text))

    assert CANARY not in everything_said(refusal.value)


def test_an_envelope_too_large_is_refused_before_any_cryptography() -> None:
    excess = b"x" * (LARGEST_VALUE + 1)
    sealed = _seal(DATA_KEY, _context(STORE, SECRET), excess, bytes(32), bytes(12))

    assert parse(sealed) == Flaw.UNSUPPORTED_FORMAT


def test_text_that_is_not_utf_8_is_no_value() -> None:
    context = _context(STORE, SECRET)
    sealed = _seal(DATA_KEY, context, b"\xff" + CANARY.encode(), bytes(32), bytes(12))

    assert opened(sealed) == Flaw.UNSUPPORTED_FORMAT


@pytest.mark.parametrize(("_", "vector"), vectors.read("envelopes"))
def test_an_envelope_sealed_by_an_older_version_opens(
    _: str, vector: vectors.Vector
) -> None:
    key, secret = vectors.data_key(vector), vectors.secret(vector)

    plaintext = opened(
        bytes.fromhex(vector["envelope"]), key, vector["store_id"], secret
    )

    assert plaintext == vector["plaintext"]


@pytest.mark.parametrize(("_", "vector"), vectors.read("envelopes"))
def test_envelopes_are_sealed_as_by_an_older_version(
    _: str, vector: vectors.Vector
) -> None:
    sealed = _seal(
        vectors.data_key(vector),
        _context(vector["store_id"], vectors.secret(vector)),
        vector["plaintext"].encode(),
        bytes.fromhex(vector["salt"]),
        bytes.fromhex(vector["nonce"]),
    )

    assert sealed.hex() == vector["envelope"]


def test_a_parsed_envelope_is_what_was_sealed() -> None:
    envelope = parse(SEALED)

    assert isinstance(envelope, Envelope)
    assert envelope.data_key == DATA_KEY.id
    assert envelope.header + envelope.ciphertext == SEALED
