"""The set hash: a sum that only its set has, whatever the order of the changes."""

import hmac
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.vault.set_hash import SIZE, add, masked, remove, unmasked

SETS = st.sets(st.binary(max_size=20), max_size=12)


def prf(message: bytes) -> bytes:
    return hmac.digest(b"key", message, "sha256")


def another(message: bytes) -> bytes:
    return hmac.digest(b"another", message, "sha256")


total = partial(add, prf, 0)


@given(SETS, SETS)
def test_two_sets_have_one_total_only_if_they_are_the_same(
    one: set[bytes], other: set[bytes]
) -> None:
    assert (total(one) == total(other)) == (one == other)


@given(st.lists(st.binary(max_size=20), unique=True))
def test_the_order_of_changes_does_not_matter(messages: list[bytes]) -> None:
    one_by_one = 0
    for message in messages[::-1]:
        one_by_one = add(prf, one_by_one, [message])

    assert one_by_one == total(messages)


@given(SETS, SETS)
def test_what_is_taken_out_was_never_in(kept: set[bytes], gone: set[bytes]) -> None:
    assert remove(prf, total([*kept, *gone]), gone) == total(kept)


def test_a_thing_that_is_there_twice_does_not_vanish() -> None:
    assert len({total([]), total([b"a"]), total([b"a"] * 2), total([b"a"] * 3)}) == 4


def test_without_the_key_there_is_another_total() -> None:
    assert total([b"a"]) != add(another, 0, [b"a"])


@given(SETS, st.binary(min_size=16, max_size=16))
def test_what_is_stored_is_read_back(messages: set[bytes], nonce: bytes) -> None:
    stored = masked(prf, total(messages), nonce)

    assert len(stored) == SIZE
    assert unmasked(prf, stored, nonce) == total(messages)


def test_the_same_total_is_stored_differently_each_time() -> None:
    one, other = (masked(prf, total([b"a"]), bytes([n]) * 16) for n in (1, 2))

    assert one != other


@pytest.mark.parametrize("at", range(0, SIZE, 5))
def test_each_byte_of_what_is_stored_counts(at: int) -> None:
    stored = bytearray(masked(prf, total([b"a"]), b"n" * 16))
    stored[at] ^= 1

    assert unmasked(prf, bytes(stored), b"n" * 16) != total([b"a"])


def test_a_mask_is_no_element() -> None:
    nonce = b"n" * 16

    assert int.from_bytes(masked(prf, 0, nonce), "big") != total([nonce])
