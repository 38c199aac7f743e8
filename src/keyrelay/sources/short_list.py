"""Short lists: a JSON list that is short, cut into its elements all at once."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from keyrelay.sources.cutting import Cut, JsonList

SHORT = 512 * 1024  # bytes: half of what may be held of one trigger
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(slots=True)
class ShortList:
    """Holds a stream, which must be short, and cuts it at its end.

    It yields what `otherwise` does, several times as fast. What is no list, or is not
    JSON, is left to `otherwise`, which goes through it sign by sign. Unlike there, an
    element whose brackets are too deep is yielded, to be refused, and does not end the
    list.
    """

    otherwise: JsonList = field(default_factory=JsonList)
    _held: bytearray = field(default_factory=bytearray)

    def feed(self, chunk: bytes) -> Iterator[Cut]:
        self._held += chunk
        return iter(())

    def end(self) -> Iterator[Cut]:
        elements = _elements(self._held)
        if elements is not None:
            yield from enumerate(map(bytes, elements), start=1)
            return
        yield from self.otherwise.feed(bytes(self._held))
        yield from self.otherwise.end()


def _elements(text: bytearray) -> list[msgspec.Raw] | None:
    """Return the list's elements, without the blanks around them; None, it is none."""
    try:
        return _LIST.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
