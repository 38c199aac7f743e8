"""Scrubbing of lines: what a run prints, without the values that it was given.

It catches accidents, and no script that wants to tell a value: that can write it in a
way of its own. Shorter values are shown, as they would be found in ordinary words.
"""

import json
import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, Self
from urllib.parse import quote

from keyrelay.dispatchers.scrub import MASK, base64_forms, plain_forms

SHORTEST = 8  # characters of a value that is scrubbed
EXPOSED = 3  # characters at the end of a line that may begin a value, and are shown

_UNPRINTED = re.compile("[\0\ud800-\udfff]")
_HEXADECIMAL = re.compile("%[0-9A-F]{2}")
# What the fields of a structured value say that is no secret.
_PUBLIC = frozenset({"smtp_server", "aws_region", "queue_url"})
_ARMOR = "-----"  # around what stands in a PEM file (RFC 7468)
# What JavaScript's encodeURIComponent and encodeURI leave as it is.
_COMPONENT = "!'()*"
_URI = ";,/?:@&=+$!'()*#"


@dataclass(slots=True, repr=False, eq=False)
class LineScrubber:
    """Masks values in lines that come one after the other.

    A value is found plain, in base64 at any place of something longer, URL-encoded,
    and escaped for JSON or HTML; also where it goes over several lines, as lines count
    as one text without breaks. Of a value with several lines, each is found alone.

    Lines come out once no value can begin in them, but for their last three characters:
    were every line held that ends as some value begins, few would come out at once. It
    keeps as much text as the longest form has, and two lines. Each character is looked
    at once.
    """

    _forms: Mapping[str, Sequence[str]]  # by how they begin, over SHORTEST characters
    _beginnings: frozenset[str]  # what is shorter, and may become one of those
    _text: str = field(default="", init=False)
    _at: int = field(default=0, init=False)  # the first character not looked at
    # Where the first line begins that is held, and where each of those ends.
    _bounds: deque[int] = field(default_factory=lambda: deque([0]), init=False)
    _masked: deque[tuple[int, int]] = field(default_factory=deque, init=False)

    @classmethod
    def of(cls, values: Collection[str]) -> Self:
        """`values` also have what may not be shown of a structured one (parts_of)."""
        forms = dict[str, list[str]]()
        for form in {form for value in values for form in _forms_of(value)}:
            forms.setdefault(form[:SHORTEST], []).append(form)
        beginnings = {each[:n] for each in forms for n in range(1, SHORTEST)}
        return cls(forms, frozenset(beginnings))

    def take(self, line: str) -> Sequence[str]:
        """Return the lines that are ready, this one among them or not."""
        self._text += line
        self._bounds.append(len(self._text))
        self._look(is_end=False)
        return self._ready()

    def finish(self) -> Sequence[str]:
        """Return the lines that are left; a value that was cut short is masked, too."""
        self._look(is_end=True)
        return self._ready()

    def __getstate__(self) -> NoReturn:
        raise TypeError("what masks a value does not leave the process")

    def _look(self, *, is_end: bool) -> None:
        """Look for values, up to where more text may make one."""
        text, at = self._text, self._at
        last = len(text) - SHORTEST
        while at < len(text):
            if at > last or text[at : at + SHORTEST] in self._forms:
                end = self._found(at, is_end=is_end)
                if end is None:
                    break
                self._mask(at, end)
            at += 1
        self._at = at

    def _found(self, at: int, *, is_end: bool) -> int | None:
        """Return where a value ends that begins there, `at` if none does.

        None, more text is needed to know that.
        """
        text, left, end = self._text, len(self._text) - at, at
        beginning = text[at : at + SHORTEST]
        if left < SHORTEST:
            return None if beginning in self._beginnings and not is_end else at
        for form in self._forms[beginning]:
            if text.startswith(form, at):
                end = max(end, at + len(form))
            elif len(form) > left and form.startswith(text[at:]):
                if not is_end:
                    return None
                end = len(text)
        return end

    def _mask(self, start: int, end: int) -> None:
        start = max(start, self._bounds[0])  # what is before that was shown
        if self._masked and start < self._masked[-1][1]:
            first, before = self._masked.pop()
            self._masked.append((first, max(end, before)))
        elif start < end:
            self._masked.append((start, end))

    def _ready(self) -> Sequence[str]:
        lines, bounds = list[str](), self._bounds
        while len(bounds) > 1 and self._at >= bounds[1] - EXPOSED:
            start = bounds.popleft()
            line = self._shown(start, bounds[0])
            if line is not None:
                lines.append(line)
        self._forget(min(self._at, bounds[0]))
        return lines

    def _shown(self, start: int, end: int) -> str | None:
        """Return a line with its masks; None, it is all inside of a value."""
        parts, shown = list[str](), start
        while self._masked and self._masked[0][1] <= start:
            self._masked.popleft()
        for first, behind in self._masked:
            if first < start and behind >= end:
                return None
            if first >= end:
                break
            if first > shown or not parts:
                parts += [self._text[shown : max(first, start)], MASK]
            shown = min(behind, end)
        return "".join(parts) + self._text[shown:end]

    def _forget(self, number: int) -> None:
        """Forget the first characters, which were looked at and shown."""
        if not number:
            return
        self._text, self._at = self._text[number:], self._at - number
        self._bounds = deque(each - number for each in self._bounds)
        self._masked = deque(
            (first - number, end - number)
            for first, end in self._masked
            if end > number
        )


def parts_of(value: str) -> Iterator[str]:
    """Yield what may not be shown of a value: all of it, and its texts, if it is JSON.

    What scripts are given of a structured secret is JSON; they use its fields.
    """
    yield value
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        return
    yield from _texts(document)


def _texts(document: object) -> Iterator[str]:
    match document:
        case str():
            yield document
        case list():
            for each in document:
                yield from _texts(each)
        case dict():
            for name, each in document.items():
                if name not in _PUBLIC:
                    yield from _texts(each)
        case _:
            pass


def _forms_of(value: str) -> Iterator[str]:
    """Yield how a value may stand in lines, which have no line breaks in them."""
    if len(value) < SHORTEST:
        return
    # Printed, half a surrogate pair is replaced, as NUL is.
    value = _UNPRINTED.sub("\N{REPLACEMENT CHARACTER}", value)
    lines = [line.strip() for line in value.split("\n")]
    for whole in (value, *(line for line in lines if not line.startswith(_ARMOR))):
        if len(whole) < SHORTEST:
            continue
        for form in (*_written(whole), *base64_forms(whole)):
            for breaks in ("\r\n", "\n"):
                text = form.replace(breaks, "").replace("\n", "")
                if len(text) >= SHORTEST:
                    yield text


def _written(value: str) -> Iterator[str]:
    yield from plain_forms(value)
    yield from (repr(value)[1:-1], ascii(value)[1:-1])
    escaped = json.dumps(value)[1:-1]
    yield json.dumps(escaped)[1:-1]  # JSON in JSON, as the environment of a run is
    for safe in ("", "/", _COMPONENT, _URI):
        encoded = quote(value, safe=safe)
        for form in (encoded, encoded.replace("%20", "+")):
            yield from (form, _in_small(form))


def _in_small(encoded: str) -> str:
    return _HEXADECIMAL.sub(lambda found: found[0].lower(), encoded)
