"""Wildcard: names found by a text in which `*` stands for any characters."""

from sqlalchemy import Column, ColumnElement, and_, false

# Code points of a name of 100, folded: one may become three.
LONGEST_FOLDED = 300

_LAST = "\U0010ffff"  # no name holds it, and none of its characters is greater


def fold(name: str) -> str:
    """Return the name as it is searched and sorted, the same in every database."""
    return name.casefold()


def is_like(folded: Column[str], text: str) -> ColumnElement[bool]:
    """Tell whether a folded name is like the text, in any letter case.

    What is compared with each name is bounded, however long the text is: stars in a
    row are one, and what is longer than any name is like none.
    """
    first, *others = fold(text).split("*")
    pieces = [first, *filter(None, others[:-1]), *others[-1:]]
    if sum(map(len, pieces)) > LONGEST_FOLDED or not _is_unicode(text):
        return false()
    if not others:
        return folded == first
    like = folded.like("%".join(map(_literal, pieces)), escape="\\")
    # An index finds those that begin so, which for LIKE not every database does.
    return and_(folded >= first, folded < first + _LAST, like) if first else like


def _literal(piece: str) -> str:
    for special in "\\%_":
        piece = piece.replace(special, f"\\{special}")
    return piece


def _is_unicode(text: str) -> bool:
    """Return whether a database can be asked for it: half a surrogate has no UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
