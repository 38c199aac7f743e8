"""Environment: the key-encryption key in the variable KEYRELAY_KEY."""

from keyrelay.vault.flaw import Flaw, sealed
from keyrelay.vault.local_key import LocalKey, parse_key


def load(text: str) -> LocalKey:
    """Return the key written there, or raise Unavailable, saying what to do."""
    key = parse_key(text)
    if key is None:
        raise sealed(
            Flaw.KEY_UNAVAILABLE,
            "KEYRELAY_KEY does not hold a key; set it to the line of the key file",
        )
    return LocalKey(key)
