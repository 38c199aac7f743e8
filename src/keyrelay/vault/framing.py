"""Framing: several texts as one, so that no two lists of texts look the same.

One definition for what envelopes, wrapped data keys and authenticators are bound to.
"""


def frame(*texts: str) -> bytes:
    """Join the texts as UTF-8, each after its length: 4 bytes, big-endian, unsigned."""
    parts = [text.encode() for text in texts]
    return b"".join([len(part).to_bytes(4, "big") + part for part in parts])
