"""Conflicts: what was typed beside what was saved meanwhile by another hand.

A form carries the etag of what it shows. If that is no longer the newest, nothing is
saved: the form comes back as it was typed, with the newest etag, and templates/
conflict.html shows where the two differ. What is saved then was seen before.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from keyrelay.console.own_api import Document
from keyrelay.console.rendering import pretty
from keyrelay.stores.refusals import EditedMeanwhile, Outdated

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """A member of both documents, by its path; None, one of them does not have it."""

    name: str
    yours: str | None
    saved: str | None


def is_conflict(failure: Exception) -> bool:
    """Tell whether an edit failed as its thing was changed meanwhile."""
    return isinstance(failure, EditedMeanwhile | Outdated)


def differences(yours: Document, saved: Document) -> Sequence[Difference]:
    """Return where what would be saved differs from what is.

    Members that `yours` does not have are not looked at: an edit leaves them alone.
    """
    return [
        difference
        for name, value in yours.items()
        for difference in _between(name, value, saved.get(name, _ABSENT))
    ]


def _between(name: str, yours: object, saved: object) -> Iterator[Difference]:
    if yours == saved:
        return
    if isinstance(yours, Mapping) and isinstance(saved, Mapping):
        for each in {**yours, **saved}:
            within = f"{name}.{each}"
            yield from _between(
                within, yours.get(each, _ABSENT), saved.get(each, _ABSENT)
            )
        return
    yield Difference(name, _told(yours), _told(saved))


def _told(value: object) -> str | None:
    if value is _ABSENT:
        return None
    return value if isinstance(value, str) else pretty(value)
