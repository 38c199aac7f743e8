"""Refusals: what every store answers to a request that it cannot carry out.

Each is sorted by its remedy: name something that exists, remove what refers to it,
or read it again.
"""


class NotFound(Exception):
    """There is no such thing in this profile."""

    def __init__(self, noun: str, id_: str) -> None:
        super().__init__(f"there is no {noun} {id_}")
        self.noun = noun


class InUse(Exception):
    """Something else refers to it; the message names what."""


class EditedMeanwhile(Exception):
    """It has changed since it was read: read it again, then decide."""


class Outdated(Exception):
    """It is not as the request expects it (RFC 9110, 13.1.1): read it again."""


def require_expected(expected: str | None, etag: str, named: str) -> None:
    """Raise Outdated if a definition is expected to be as it was, and is not.

    `etag` is opaque, and another one after each change. None expects nothing: the last
    writer wins.
    """
    if expected is not None and expected != etag:
        raise Outdated(f"{named} has changed since it was read: read it again")


def buried_anew(trigger: str) -> EditedMeanwhile:
    return EditedMeanwhile(f"{trigger} was buried anew: look again")
