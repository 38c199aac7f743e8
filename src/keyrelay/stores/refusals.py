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


def buried_anew(trigger: str) -> EditedMeanwhile:
    return EditedMeanwhile(f"{trigger} was buried anew: look again")
