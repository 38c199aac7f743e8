"""Templates: texts with placeholders `$NAME$`, parsed once and filled often."""

import re
from collections import Counter
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

    __hash__ = str.__hash__  # as that of Enum is a function in Python


Scalar = str | int | float | bool
Facts = Mapping[Fact, Scalar]
# Returns the text for a fact, or for None, which is a missing one.
Render = Callable[[Scalar | None], str]

_FACTS = {fact.value: fact for fact in Fact}
_DOLLAR = re.compile(
    r"\$(?:\$|(" + "|".join(re.escape(fact) for fact in Fact) + r")\$"
    # Looked at and not taken: its second dollar may begin a placeholder.
    r"|(?=([A-Za-z][A-Za-z0-9_.]{0,39})\$))"
)


def plain(value: Scalar | None) -> str:
    """Print a fact as people read it; a missing one is empty."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case _:
            return repr(value)  # as in JSON


@dataclass(frozen=True, slots=True)
class Placeholder:
    """Where a fact goes, and how it is written there."""

    fact: Fact
    render: Render = plain


@dataclass(frozen=True, slots=True)
class Template:
    """Literal texts and placeholders, in order.

    `literal` is the size of the literal texts in bytes, `counts` tells how often each
    placeholder stands here, and `unknown` names what only looks like one.
    """

    parts: tuple[str | Placeholder, ...]
    literal: int = 0
    counts: tuple[tuple[Placeholder, int], ...] = ()
    unknown: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str, render: Render = plain) -> Self:
        """Read any text; `$$` and a `$` that begins no placeholder are dollar signs."""
        parts: list[str | Placeholder] = []
        unknown: set[str] = set()
        end = 0
        for found in _DOLLAR.finditer(text):
            parts.append(text[end : found.start()])
            parts.append(Placeholder(_FACTS[found[1]], render) if found[1] else "$")
            if found[2]:
                unknown.add(found[2])
            end = found.end()
        parts.append(text[end:])
        return cls.of((part for part in parts if part), frozenset(unknown))

    @classmethod
    def of(
        cls,
        parts: Iterable[str | Placeholder],
        unknown: frozenset[str] = frozenset(),
    ) -> Self:
        """Return the template that these parts make."""
        listed = tuple(parts)
        literal = sum(_bytes(part) for part in listed if isinstance(part, str))
        counts = Counter(part for part in listed if isinstance(part, Placeholder))
        return cls(listed, literal, tuple(counts.items()), unknown)

    @classmethod
    def fixed(cls, text: str) -> Self:
        """Return the template that is this text as it stands, its dollars too."""
        return cls.of([text] if text else [])

    @property
    def mentions(self) -> frozenset[Fact]:
        return frozenset(placeholder.fact for placeholder, _ in self.counts)

    def size(self, facts: Facts) -> int:
        """Return how many bytes of UTF-8 `fill` makes; an empty fact counts as one.

        The cost does not grow with the length of the template.
        """
        return self.literal + sum(
            count * max(1, _bytes(placeholder.render(facts.get(placeholder.fact))))
            for placeholder, count in self.counts
        )

    def fill(self, facts: Facts) -> str:
        """Return the text, with each fact as its placeholder renders it."""
        texts = {
            placeholder: placeholder.render(facts.get(placeholder.fact))
            for placeholder, _ in self.counts
        }
        return "".join(
            [part if isinstance(part, str) else texts[part] for part in self.parts]
        )


def mentioned(templates: Iterable[Template | None]) -> frozenset[Fact]:
    """Return the facts that any of the templates asks for."""
    return frozenset[Fact]().union(*(text.mentions for text in templates if text))


def remarks_on(templates: Iterable[Template | None]) -> tuple[str, ...]:
    """Return a warning of each name that only looks like a placeholder."""
    unknown = frozenset[str]().union(*(text.unknown for text in templates if text))
    known = " ".join(f"${fact}$" for fact in Fact)
    return tuple(
        f"${name}$ is no placeholder and is sent as it stands; those are {known}"
        for name in sorted(unknown)
    )


def _bytes(text: str) -> int:
    # Documents have no lone surrogate, which would have no bytes in UTF-8.
    return len(text) if text.isascii() else len(text.encode(errors="replace"))
