"""Query string: what stands behind a URL's `?`, decoded strictly and within bounds.

No refusal repeats what was sent, which may be a secret.
"""

import re
from contextlib import suppress
from urllib.parse import unquote_to_bytes

from keyrelay.model.documents import InvalidDefinition

LONGEST_QUERY = 16 * 1024  # bytes
MOST_PAIRS = 200

Pairs = tuple[tuple[str, str], ...]

_BROKEN_ESCAPE = re.compile(b"%(?![0-9A-Fa-f]{2})")


def parse_pairs(raw: bytes | str) -> Pairs:
    """Return the decoded names and values, in their order.

    `raw` is the query as it was sent, percent-encoded; a `+` is a space, as in the
    WHATWG's `application/x-www-form-urlencoded`. Raises InvalidDefinition for what is
    too long, broken percent-encoding, what is not UTF-8 (surrogates and overlong forms
    are not, RFC 3629) and NUL, which PostgreSQL does not take.
    """
    # A surrogate is passed on to where bytes are decoded, and refused there.
    sent = raw if isinstance(raw, bytes) else raw.encode(errors="surrogatepass")
    if len(sent) > LONGEST_QUERY:
        raise InvalidDefinition(
            f"a query must have at most {LONGEST_QUERY} bytes: ask for less at once"
        )
    pieces = [piece for piece in sent.split(b"&") if piece]
    if len(pieces) > MOST_PAIRS:
        raise InvalidDefinition(
            f"a query must have at most {MOST_PAIRS} parameters: ask for less at once"
        )
    pairs = (piece.partition(b"=") for piece in pieces)
    return tuple((_decoded(name), _decoded(value)) for name, _, value in pairs)


def _decoded(sent: bytes) -> str:
    if _BROKEN_ESCAPE.search(sent) is not None:
        raise InvalidDefinition(
            "the query has a % without two hexadecimal digits: write %25 for a %"
        )
    text = _utf8(unquote_to_bytes(sent.replace(b"+", b" ")))
    if "\0" in text:
        raise InvalidDefinition("the query must not hold the character NUL")
    return text


def _utf8(sent: bytes) -> str:
    with suppress(ValueError):
        return sent.decode()
    # Raised here, outside `except`: the decoder's error holds the whole input.
    raise InvalidDefinition("the query must be UTF-8, percent-encoded")
