"""Headers: texts and mailboxes as header lines, folded and in ASCII.

The standard library's folding loses or adds a space between encoded-words, and makes
words longer than RFC 2047 section 2 allows. Here a text that is not plain ASCII becomes
encoded-words as a whole, so that no space of its own stands between two words.
"""

import base64
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from keyrelay.dispatchers.smtp.mailbox import Mailbox

_LONGEST_LINE = 76  # with encoded-words (RFC 2047 section 2)
_LONGEST_WORD = 75
_FRAME = len("=?utf-8?q??=")
# One space between words, none at the ends: what folding at a space leaves as it was.
_PLAIN = re.compile(r"(?!.*=\?)[!-~]{1,75}(?: [!-~]{1,75})*|")
_ATOMS = re.compile(
    r"(?!.*=\?)[\w!#$%&'*+/=?^`{|}~-]+(?: [\w!#$%&'*+/=?^`{|}~-]+)*", re.A
)
# What stands for itself in an encoded-word, in a phrase as well (section 5).
_Q_SAFE = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/"
)
_Q = tuple(
    "_" if byte == 0x20 else chr(byte) if byte in _Q_SAFE else f"={byte:02X}"
    for byte in range(256)
)


def text_header(name: str, text: str) -> bytes:
    """Return the line of an unstructured header (RFC 5322 section 2.2.1).

    `text` holds no control character and no half of a surrogate pair.
    """
    if _PLAIN.fullmatch(text):
        words: Sequence[str] = text.split(" ")
    else:
        words = tuple(_encoded_words(text, _LONGEST_LINE - len(name) - 2))
    return _folded(name, words)


@lru_cache(maxsize=1024)
def mailbox_header(name: str, mailboxes: tuple[Mailbox, ...]) -> bytes:
    """Return the line of a list of mailboxes (RFC 5322 section 3.4).

    It is cached, as an action's mails have the same.
    """
    words: list[str] = []
    for mailbox in mailboxes:
        words += (*_phrase(mailbox.name), _angled(mailbox))
        words[-1] += ","
    words[-1] = words[-1].removesuffix(",")
    return _folded(name, words)


def _angled(mailbox: Mailbox) -> str:
    return f"<{mailbox.address}>" if mailbox.name else mailbox.address


def _phrase(name: str) -> tuple[str, ...]:
    if not name:
        return ()
    quoted = name.replace("\\", r"\\").replace('"', r"\"")
    if _ATOMS.fullmatch(name) and len(name) < _LONGEST_WORD:
        return (name,)
    if name.isascii() and "=?" not in name and len(quoted) < _LONGEST_WORD - 1:
        return (f'"{quoted}"',)
    return tuple(_encoded_words(name, _LONGEST_LINE // 2))


def _folded(name: str, words: Sequence[str]) -> bytes:
    """Join the words by spaces, and begin a line before a word that would not fit."""
    lines, line = [], f"{name}:"
    for word in words:
        if len(line) + 1 + len(word) > _LONGEST_LINE and line != f"{name}:":
            lines.append(line)
            line = ""
        line += f" {word}"
    return "\r\n".join([*lines, line, ""]).encode()


def _encoded_words(text: str, first: int) -> Iterator[str]:
    """Yield encoded-words of whole characters; the first has at most `first` octets."""
    octets = text.encode()
    in_q = sum(len(_Q[octet]) for octet in octets) <= len(octets) * 4 // 3
    encoding, write = ("q", _in_q) if in_q else ("b", _in_b)
    piece, room = b"", min(first, _LONGEST_WORD) - _FRAME
    for character in map(str.encode, text):
        if len(write(piece + character)) > room:
            yield f"=?utf-8?{encoding}?{write(piece)}?="
            piece, room = b"", _LONGEST_WORD - _FRAME
        piece += character
    yield f"=?utf-8?{encoding}?{write(piece)}?="


def _in_q(octets: bytes) -> str:
    return "".join([_Q[octet] for octet in octets])


def _in_b(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
