"""Unpacking: compressed batches, unpacked within bounds.

aiokafka unpacks a whole batch whatever its size: a mebibyte can become gigabytes. Its
decoders are replaced by these, which stop at the bounds of the call that is under way.
"""

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import ModuleType

import cramjam
from aiokafka.record import default_records, legacy_records
from aiokafka.record._crecords import default_records as c_default_records
from aiokafka.record._crecords import legacy_records as c_legacy_records

LARGEST_BATCH = 64 * 1024 * 1024  # bytes, unpacked
_AT_ONCE = 32 * 1024 * 1024  # bytes that one call may unpack beyond its first batch
_FIRST_TRY = 256 * 1024
_XERIAL = b"\x82SNAPPY\x00"  # https://github.com/xerial/snappy-java
_XERIAL_HEADER = 16
_MODULES: tuple[ModuleType, ...] = (
    default_records,
    legacy_records,
    c_default_records,
    c_legacy_records,
)


class BatchTooLarge(Exception):
    """A batch unpacks to more than LARGEST_BATCH."""


class TooMuchUnpacked(Exception):
    """The batches of one call unpack to too much together; each alone does not."""


@dataclass(slots=True)
class _Unpacked:
    batches: int = 0
    bytes: int = 0


_CALL: ContextVar[_Unpacked | None] = ContextVar("unpacked", default=None)


@contextmanager
def bounded_unpacking() -> Iterator[None]:
    """Bound what is unpacked in this block.

    In it aiokafka raises BatchTooLarge and TooMuchUnpacked.
    """
    token = _CALL.set(_Unpacked())
    try:
        yield
    finally:
        _CALL.reset(token)


def bound_decoders() -> None:
    """Replace aiokafka's decoders, in this process and for good."""
    for module in _MODULES:
        for name, decode in _DECODERS.items():
            if hasattr(module, name):
                setattr(module, name, decode)


def gzip_decode(packed: bytes) -> bytes:
    unpacked, rest = bytearray(), bytes(packed)
    while rest:  # a stream may have several members (RFC 1952)
        member = zlib.decompressobj(wbits=31)
        room = LARGEST_BATCH + 1 - len(unpacked)
        unpacked += member.decompress(rest, room)
        if len(unpacked) > LARGEST_BATCH:
            raise BatchTooLarge
        if not member.eof:
            raise EOFError("a gzip stream ended early")
        rest = member.unused_data.lstrip(b"\0")
    return _counted(bytes(unpacked))


def snappy_decode(packed: bytes) -> bytes:
    raw = memoryview(packed).cast("B")
    blocks = [*_xerial_blocks(raw)] if bytes(raw[:8]) == _XERIAL else [raw]
    if sum(map(_snappy_size, blocks)) > LARGEST_BATCH:
        raise BatchTooLarge
    return _counted(
        b"".join(bytes(cramjam.snappy.decompress_raw(block)) for block in blocks)
    )


def lz4_decode(packed: bytes) -> bytes:
    return _counted(_into(cramjam.lz4.decompress_into, packed))


def zstd_decode(packed: bytes) -> bytes:
    return _counted(_into(cramjam.zstd.decompress_into, packed))


_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip_decode": gzip_decode,
    "snappy_decode": snappy_decode,
    "lz4_decode": lz4_decode,
    "zstd_decode": zstd_decode,
}


def _counted(unpacked: bytes) -> bytes:
    """Count a batch that was unpacked. Raises TooMuchUnpacked."""
    call = _CALL.get()
    if call is not None:
        call.batches += 1
        call.bytes += len(unpacked)
        if call.batches > 1 and call.bytes > _AT_ONCE:
            raise TooMuchUnpacked
    return unpacked


def _into(decode: Callable[[bytes, bytearray], int], packed: bytes) -> bytes:
    """Unpack into as much memory as it takes. Raises BatchTooLarge."""
    size = max(_FIRST_TRY, 8 * len(packed))
    while True:
        room = bytearray(min(size, LARGEST_BATCH))
        try:
            return bytes(memoryview(room)[: decode(packed, room)])
        except cramjam.DecompressionError as fault:
            if "write whole buffer" not in str(fault):
                raise
        if size >= LARGEST_BATCH:
            raise BatchTooLarge
        size *= 8


def _xerial_blocks(raw: memoryview) -> Iterator[memoryview]:
    at = _XERIAL_HEADER
    while at < len(raw):
        size = int.from_bytes(raw[at : at + 4], "big")
        yield raw[at + 4 : at + 4 + size]
        at += 4 + size


def _snappy_size(block: memoryview) -> int:
    """Return the size that a block declares, before it is unpacked.

    https://github.com/google/snappy/blob/main/format_description.txt
    """
    size = 0
    for shift, byte in enumerate(block[:5]):
        size |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            break
    return size
