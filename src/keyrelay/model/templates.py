"""Placeholders: texts with `$NAME$` in them, compiled once and filled often."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Fact(StrEnum):
    """What a text can ask for; the whole list that TagoIO publishes."""

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
    """Literal text and facts in turn. A `$` that begins no placeholder is itself."""

    parts: tuple[str | Fact, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        if "$" not in text:
            return cls((text,) if text else ())
        parts: list[str | Fact] = []
        end = 0
        for found in _DOLLAR.finditer(text):
            parts.append(text[end : found.start()])
            parts.append(_FACTS[found[1]] if found[1] else "$")
            end = found.end()
        parts.append(text[end:])
        return cls(tuple(part for part in parts if part))

    def fill(self, facts: Facts, escape: Callable[[str], str] = str) -> str:
        """Return the text; a fact that is missing becomes an empty string."""
        return "".join(
            [
                escape(facts.get(part, "")) if isinstance(part, Fact) else part
                for part in self.parts
            ]
        )

    def missing(self, facts: Facts) -> frozenset[Fact]:
        return frozenset(
            [p for p in self.parts if isinstance(p, Fact) and p not in facts]
        )
