"""Set hash: one number for a set of any size, brought up to date in constant time.

MSet-Add-Hash of Clarke, Devadas, van Dijk, Gassend and Suh, "Incremental Multiset Hash
Functions and Their Application to Memory Integrity Checking" (ASIACRYPT 2003):

    total  = Σ element(m)              mod 2^2048
    masked = total + mask(nonce)       mod 2^2048

    element(m)  = SHAKE256(PRF(0x01 | m), 256 bytes), as a big-endian number
    mask(nonce) = SHAKE256(PRF(0x00 | nonce), 256 bytes), as a big-endian number

The PRF is HMAC-SHA256 under a key that is used for nothing else. Only the masked total
is stored, under a nonce of its own each time, so that no difference of two totals is
seen. The sum is of numbers and not XOR, in which a thing that is there twice vanishes,
and over 2^2048, as in LtHash: with a smaller modulus Wagner's generalised birthday
attack finds another set with the same sum (CRYPTO 2002).
"""

from collections.abc import Callable, Iterable
from hashlib import shake_256

SIZE = 256  # bytes
NONCE_SIZE = 16

_MODULUS = 1 << (8 * SIZE)
_MASK, _ELEMENT = b"\x00", b"\x01"

Prf = Callable[[bytes], bytes]


def add(prf: Prf, total: int, messages: Iterable[bytes]) -> int:
    """Return the total of the set with these messages put in; 0 is the empty set."""
    return (total + _sum(prf, messages)) % _MODULUS


def remove(prf: Prf, total: int, messages: Iterable[bytes]) -> int:
    """Return the total of the set with these messages, which are in it, taken out."""
    return (total - _sum(prf, messages)) % _MODULUS


def masked(prf: Prf, total: int, nonce: bytes) -> bytes:
    """Return the total as it is stored; a nonce is used once."""
    return ((total + _number(prf, _MASK, nonce)) % _MODULUS).to_bytes(SIZE, "big")


def unmasked(prf: Prf, stored: bytes, nonce: bytes) -> int:
    """Return the total that was stored with this nonce."""
    total = int.from_bytes(stored, "big") - _number(prf, _MASK, nonce)
    return total % _MODULUS


def _sum(prf: Prf, messages: Iterable[bytes]) -> int:
    return sum(_number(prf, _ELEMENT, message) for message in messages)


def _number(prf: Prf, kind: bytes, message: bytes) -> int:
    return int.from_bytes(shake_256(prf(kind + message)).digest(SIZE), "big")
