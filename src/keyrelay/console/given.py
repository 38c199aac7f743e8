"""Given: what was typed into a form, or stands in an address, field by field."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from keyrelay.api.query_string import Pairs


@dataclass(frozen=True, slots=True)
class GivenFile:
    """A file that was chosen in a form; `name` is without its folder."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Given:
    """The fields of a form or a query, by their names, in their order.

    `files` are those that were chosen, by the names of their fields.
    """

    pairs: Pairs
    files: Mapping[str, GivenFile] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Return the field's first text, without the space around it; "" for none."""
        return next((value for key, value in self.pairs if key == name), "").strip()

    def whole(self, name: str) -> str:
        """Return the field's first text as it was typed; "" for none."""
        return next((value for key, value in self.pairs if key == name), "")

    def texts(self, name: str) -> list[str]:
        return [value.strip() for key, value in self.pairs if key == name]

    def has(self, name: str) -> bool:
        return any(key == name for key, _ in self.pairs)
