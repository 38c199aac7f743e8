"""Flaw: why something does not open, and the two ways to say so outside.

Either the vault as a whole is sealed, which somebody can end, or one sealed value
is lost. Both say it in words fit for an audit record, with no value in them.
"""

from enum import StrEnum

from keyrelay.ports import Unavailable, Unsealable


class Flaw(StrEnum):
    KEY_UNAVAILABLE = "key unavailable"
    WRONG_KEY = "wrong key"
    DATA_KEY_MISSING = "data key missing"
    COMMITMENT_MISMATCH = "commitment mismatch"
    TAMPERED = "tampered"
    UNSUPPORTED_FORMAT = "unsupported format"


def sealed(flaw: Flaw, remedy: str) -> Unavailable:
    """The vault opens and seals nothing, and changes nothing, until `remedy`."""
    return Unavailable(f"the vault is sealed ({flaw}): {remedy}")


def unsealable(flaw: Flaw) -> Unsealable:
    return Unsealable(f"its sealed value is refused ({flaw})")
