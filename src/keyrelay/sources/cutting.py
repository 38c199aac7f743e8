"""Cutting: bytes that come in pieces, as the documents that they hold.

Nothing is decoded here. A document may be any bytes: its reader refuses what is none.
"""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import islice
from typing import Protocol

from keyrelay.model.documents import DEEPEST
from keyrelay.model.trigger import LARGEST_TRIGGER

MOST_TOGETHER = 500  # documents
# Bytes; a document that is cut off there is refused as too large.
_LONGEST = LARGEST_TRIGGER + 1


@dataclass(frozen=True, slots=True)
class CutOff:
    """Nothing can be read from here on; the reason says why."""

    reason: str


Cut = tuple[int, bytes | CutOff]  # numbered from 1


class Cutter(Protocol):
    """Cuts one stream, and holds no more of it than one document."""

    def feed(self, chunk: bytes) -> Iterator[Cut]:
        """Yield the documents that end in this chunk."""

    def end(self) -> Iterator[Cut]:
        """Yield what is left once the stream has ended."""


async def cut(
    chunks: AsyncIterator[bytes], cutter: Cutter
) -> AsyncIterator[Sequence[Cut]]:
    """Yield the documents of each chunk together, up to MOST_TOGETHER.

    Raises what `chunks` raises.
    """
    async for chunk in chunks:
        for documents in _together(cutter.feed(chunk)):
            yield documents
    for documents in _together(cutter.end()):
        yield documents


def _together(cuts: Iterator[Cut]) -> Iterator[Sequence[Cut]]:
    while documents := [*islice(cuts, MOST_TOGETHER)]:
        yield documents


@dataclass(slots=True)
class Unfinished:
    """The document that has begun; what is longer than `longest` bytes is dropped."""

    longest: int = _LONGEST
    _kept: bytearray = field(default_factory=bytearray)

    def add(self, part: bytes) -> None:
        self._kept += part[: self.longest - len(self._kept)]

    def take(self) -> bytes:
        """Return the document, and begin the next one."""
        document = bytes(self._kept)
        self._kept.clear()
        return document


@dataclass(slots=True)
class Whole:
    """Takes a stream as one document."""

    unfinished: Unfinished = field(default_factory=Unfinished)

    def feed(self, chunk: bytes) -> Iterator[Cut]:
        self.unfinished.add(chunk)
        return iter(())

    def end(self) -> Iterator[Cut]:
        yield 1, self.unfinished.take()


@dataclass(slots=True)
class Lines:
    """Cuts JSON Lines (https://jsonlines.org); blank lines are only counted."""

    unfinished: Unfinished = field(default_factory=Unfinished)
    _number: int = 0

    def feed(self, chunk: bytes) -> Iterator[Cut]:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self.unfinished.add(end)
            yield from self.end()
        self.unfinished.add(rest)

    def end(self) -> Iterator[Cut]:
        self._number += 1
        line = self.unfinished.take()
        if line.strip():
            yield self._number, line


_BLANK = b" \t\r\n"
_COMMA, _QUOTE, _BACKSLASH = b',"\\'
_OPEN_LIST, _CLOSE_LIST = b"[]"
_OPEN, _CLOSE = b"[{", b"]}"
_TO_OPEN = 2  # from `]` to `[`, and from `}` to `{`
# Levels of brackets; no document may have as many.
_MOST_BRACKETS = 2 * DEEPEST
# What is passed over: strings that are whole, and all but the signs that are looked
# for. A quote that stops it begins a string that goes on in the next chunk.
_STRING = rb'(?:[^"\\]++|\\.)*+'
_INSIDE = re.compile(_STRING, re.DOTALL)
_BETWEEN = re.compile(rb'(?:[^"\[\]{},]++|"' + _STRING + rb'")*+', re.DOTALL)
_NESTED = re.compile(rb'(?:[^"\[\]{}]++|"' + _STRING + rb'")*+', re.DOTALL)


class _Read(Enum):
    BEFORE = auto()  # nothing but blanks so far
    WHOLE = auto()  # it is no list
    LIST = auto()
    AFTER = auto()  # the list has ended
    LOST = auto()


@dataclass(slots=True)
class JsonList:
    """Cuts a JSON list (RFC 8259) into its elements; what is no list is one document.

    An element ends at the comma, or at the end of the list, that stands outside all
    strings and brackets of its own. The blanks around it are dropped.
    """

    unfinished: Unfinished = field(default_factory=Unfinished)
    _read: _Read = _Read.BEFORE
    _brackets: bytearray = field(default_factory=bytearray)
    _in_string: bool = False
    _escaped: bool = False
    _number: int = 0

    def feed(self, chunk: bytes) -> Iterator[Cut]:
        at = self._begin(chunk) if self._read is _Read.BEFORE else 0
        match self._read:
            case _Read.WHOLE:
                self.unfinished.add(chunk)
            case _Read.LIST:
                yield from self._elements(chunk, at)
            case _Read.AFTER:
                yield from self._rest(chunk)
            case _:
                return

    def end(self) -> Iterator[Cut]:
        match self._read:
            case _Read.BEFORE | _Read.WHOLE:
                yield 1, self.unfinished.take()
            case _Read.LIST:
                yield self._lost("the list does not end")
            case _:
                return

    def _begin(self, chunk: bytes) -> int:
        """Find out what the stream is; return where the list begins, behind its `[`."""
        begun = chunk.lstrip(_BLANK)
        if not begun:
            self.unfinished.add(chunk)
            return 0
        if begun[0] != _OPEN_LIST:
            self._read = _Read.WHOLE
            return 0
        self._read = _Read.LIST
        self._brackets.append(_OPEN_LIST)
        self.unfinished.take()
        return len(chunk) - len(begun) + 1

    def _elements(self, chunk: bytes, begun: int) -> Iterator[Cut]:
        at = begun
        while (at := self._next_sign(chunk, at)) < len(chunk):
            sign, is_top = chunk[at], len(self._brackets) == 1
            at += 1
            if is_top and sign in (_COMMA, _CLOSE_LIST):
                self.unfinished.add(chunk[begun : at - 1])
                yield from self._element(is_last=sign == _CLOSE_LIST)
                begun = at
                if sign == _CLOSE_LIST:
                    yield from self._rest(chunk[at:])
                    return
            elif (flaw := self._count(sign)) is not None:
                yield self._lost(flaw)
                return
        self.unfinished.add(chunk[begun:])

    def _next_sign(self, chunk: bytes, at: int) -> int:
        """Return where the next sign stands that is outside strings; or the end."""
        if self._in_string:
            at = self._string_end(chunk, at)
        quiet = _BETWEEN if len(self._brackets) == 1 else _NESTED
        return _end(quiet, chunk, at)

    def _string_end(self, chunk: bytes, at: int) -> int:
        end = _end(_INSIDE, chunk, min(at + self._escaped, len(chunk)))
        stop = chunk[end] if end < len(chunk) else None
        self._escaped = stop == _BACKSLASH or (self._escaped and at == len(chunk))
        self._in_string = stop != _QUOTE
        return len(chunk) if self._in_string else end + 1

    def _count(self, sign: int) -> str | None:
        """Follow a sign within an element; return why the list ends there, if so."""
        if sign == _QUOTE:
            self._in_string = True
        elif sign in _OPEN:
            self._brackets.append(sign)
            if len(self._brackets) > _MOST_BRACKETS:
                return "its brackets are too deep"
        elif self._brackets.pop() != sign - _TO_OPEN:
            return "its brackets do not match"
        return None

    def _element(self, *, is_last: bool) -> Iterator[Cut]:
        self._number += 1
        element = self.unfinished.take().strip(_BLANK)
        is_empty = is_last and self._number == 1 and not element
        if not is_empty:
            yield self._number, element
        if is_last:
            self._read = _Read.AFTER

    def _rest(self, chunk: bytes) -> Iterator[Cut]:
        if chunk.strip(_BLANK):
            yield self._lost("something follows the list")

    def _lost(self, why: str) -> Cut:
        self._read = _Read.LOST
        return self._number + 1, CutOff(f"nothing is read from here on: {why}")


def _end(pattern: re.Pattern[bytes], chunk: bytes, at: int) -> int:
    found = pattern.match(chunk, at)
    return at if found is None else found.end()  # it matches nothing, too
