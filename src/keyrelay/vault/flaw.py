"""Flaw: why the vault does not open something, and the two errors that report it.

`Unavailable`: the vault as a whole is sealed, until an operator mends the cause.
`Unsealable`: one sealed value is lost. Neither message holds a value, so that both
may be recorded and logged.
"""

from enum import StrEnum

from keyrelay.ports import Unavailable, Unsealable


class Flaw(StrEnum):
    KEY_UNAVAILABLE = "key unavailable"  # no key-encryption key can be read
    WRONG_KEY = "wrong key"  # another key-encryption key wrapped the data keys
    DATA_KEY_MISSING = "data key missing"  # the database holds no such data key
    COMMITMENT_MISMATCH = "commitment mismatch"  # sealed with another data key
    TAMPERED = "tampered"  # altered, or moved to another row
    UNSUPPORTED_FORMAT = "unsupported format"  # of another version, or no envelope


def sealed(flaw: Flaw, remedy: str) -> Unavailable:
    """Return the error of a sealed vault; `remedy` tells the operator what to do."""
    return Unavailable(f"the vault is sealed ({flaw}): {remedy}")


def unsealable(flaw: Flaw) -> Unsealable:
    """Return the error of one sealed value that will never open."""
    return Unsealable(f"its sealed value is refused ({flaw})")
