"""Parameters: what our own lists are asked for, each name at most once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from keyrelay.api.query import whole_number
from keyrelay.api.query_string import parse_pairs
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.instant import parse_instant

LONGEST_PARAMETER = 1000  # code points
MOST_LISTED, LISTED = 1000, 20  # entries of one page
PAGING = ("after", "amount")


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters that were given, by name; what was not given reads as None.

    Each reader raises InvalidDefinition for a value that is none of its kind.
    """

    given: Mapping[str, str]

    def text(self, name: str) -> str | None:
        text = self.given.get(name)
        if text is not None and not 1 <= len(text) <= LONGEST_PARAMETER:
            raise InvalidDefinition(
                f"{name} must have 1 to {LONGEST_PARAMETER} characters"
            )
        return text

    def number(self, name: str, *, most: int) -> int | None:
        """Return a whole number from 1 to `most`."""
        text = self.given.get(name)
        return None if text is None else whole_number(text, name, most=most)

    @property
    def amount(self) -> int:
        """Return how many entries a page is to have."""
        return self.number("amount", most=MOST_LISTED) or LISTED

    def instant(self, name: str) -> datetime | None:
        return parse_instant(self.given.get(name), name)

    def choice(self, name: str, choices: Collection[str]) -> str | None:
        text = self.given.get(name)
        if text is not None and text not in choices:
            raise InvalidDefinition(f"{name} must be one of {', '.join(choices)}")
        return text


def parse_parameters(raw: bytes | str, names: Collection[str]) -> Parameters:
    """Read a query of these names, each at most once, or raise InvalidDefinition."""
    given: dict[str, str] = {}
    for name, value in parse_pairs(raw):
        if name not in names:
            raise InvalidDefinition(
                f"this takes the parameters {', '.join(names)}"
                if names
                else "this takes no parameters"
            )
        if name in given:
            raise InvalidDefinition(f"{name} must be given once")
        given[name] = value
    return Parameters(given)
