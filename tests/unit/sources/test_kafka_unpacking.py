"""Unpacking: the same bytes as aiokafka's own decoders, within bounds."""

import gzip
import zlib
from collections.abc import Callable

import cramjam
import pytest
from aiokafka import codec
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.sources.kafka.connecting import unpacking
from keyrelay.sources.kafka.connecting.unpacking import (
    LARGEST_BATCH,
    BatchTooLarge,
    TooMuchUnpacked,
    bounded_unpacking,
)

Pack = Callable[[bytes], bytes]
Unpack = Callable[[bytes], bytes]
MEBIBYTE = 1024 * 1024


def snappy_of_one_block(unpacked: bytes) -> bytes:
    return bytes(codec.snappy_encode(unpacked, xerial_compatible=False))


def two_members(unpacked: bytes) -> bytes:
    half = len(unpacked) // 2
    return gzip.compress(unpacked[:half]) + gzip.compress(unpacked[half:])


CODECS: list[tuple[Pack, Unpack]] = [
    (codec.gzip_encode, unpacking.gzip_decode),
    (two_members, unpacking.gzip_decode),
    (codec.snappy_encode, unpacking.snappy_decode),
    (snappy_of_one_block, unpacking.snappy_decode),
    (codec.lz4_encode, unpacking.lz4_decode),
    (codec.zstd_encode, unpacking.zstd_decode),
]
each_codec = pytest.mark.parametrize(("pack", "unpack"), CODECS)


@each_codec
@given(data=st.binary(max_size=5000), times=st.sampled_from([1, 7, 400]))
def test_what_was_packed_is_unpacked(
    pack: Pack, unpack: Unpack, data: bytes, times: int
) -> None:
    assert unpack(pack(data * times)) == data * times


@each_codec
def test_a_batch_as_large_as_the_bound_is_unpacked_and_no_larger_one(
    pack: Pack, unpack: Unpack
) -> None:
    zeros = bytes(LARGEST_BATCH)

    assert unpack(pack(zeros)) == zeros
    with pytest.raises(BatchTooLarge):
        unpack(pack(zeros + b"0"))


@each_codec
def test_batches_of_one_call_are_bounded_together(pack: Pack, unpack: Unpack) -> None:
    packed = pack(bytes(20 * MEBIBYTE))

    with bounded_unpacking():
        unpack(packed)
        with pytest.raises(TooMuchUnpacked):
            unpack(packed)
    with bounded_unpacking():
        assert len(unpack(packed)) == 20 * MEBIBYTE
    assert len(unpack(packed) + unpack(packed)) == 40 * MEBIBYTE


@pytest.mark.parametrize(
    "unpack",
    [
        unpacking.gzip_decode,
        unpacking.snappy_decode,
        unpacking.lz4_decode,
        unpacking.zstd_decode,
    ],
)
@given(data=st.binary(min_size=1, max_size=200))
def test_what_was_not_packed_is_refused_or_small(unpack: Unpack, data: bytes) -> None:
    try:
        assert len(unpack(data)) <= LARGEST_BATCH
    except (BatchTooLarge, cramjam.DecompressionError, OSError, EOFError, ValueError):
        pass
    except zlib.error:
        pass
