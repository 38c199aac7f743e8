"""Templates: texts with placeholders `$NAME$`, parsed once and filled often."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Fact(StrEnum):
    """The placeholders of TagoIO's actions, all of them."""

    VARIABLE = "VARIABLE"
    VALUE = "VALUE"
    UNIT = "UNIT"
    TIME = "TIME"
    LOCATION = "LOCATION"
    DEVICE = "DEVICE"
    DEVICE_NAME = "DEVICE.NAME"
    ACTION_STATE = "ACTION.STATE"


Facts = Mapping[Fact, str]

_FACTS = {fact.value: fact for fact in Fact}
_DOLLAR = re.compile(
    r"\$(?:\$|(" + "|".join(re.escape(fact) for fact in Fact) + r")\$)"
)


@dataclass(frozen=True, slots=True)
class Template:
    """Literal texts and facts, in order."""

    parts: tuple[str | Fact, ...]
    mentions: frozenset[Fact] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read any text; `$$` and a `$` that begins no placeholder are dollar signs."""
        if "$" not in text:
            return cls((text,) if text else ())
        parts: list[str | Fact] = []
        end = 0
        for found in _DOLLAR.finditer(text):
            parts.append(text[end : found.start()])
            parts.append(_FACTS[found[1]] if found[1] else "$")
            end = found.end()
        parts.append(text[end:])
        facts = frozenset(part for part in parts if isinstance(part, Fact))
        return cls(tuple(part for part in parts if part), facts)

    def fill(self, facts: Facts, escape: Callable[[str], str] = str) -> str:
        """Return the text; each fact goes through `escape`, a missing one is empty."""
        return "".join(
            [
                escape(facts.get(part, "")) if isinstance(part, Fact) else part
                for part in self.parts
            ]
        )


def mentioned(templates: Iterable[Template | None]) -> frozenset[Fact]:
    """Return the facts that any of the templates asks for."""
    return frozenset[Fact]().union(*(text.mentions for text in templates if text))
